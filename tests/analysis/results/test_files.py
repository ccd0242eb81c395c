"""The derived files: whole, the same bytes again, and never in place of a file that is not ours."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.plots import drawing_process
from analysis.results import files
from search.run.ledger import Run, Trial
from trainables.errors import StorageError

MakeRun = Callable[..., Run]
Rates = Callable[[], list[Trial]]
Save = Callable[[Path, Run], Path]


def derived(folder: Path) -> dict[str, str]:
    names = ("results.md", "results.csv", "results.json", "plots/learning_curves.svg")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_everything_derived_can_be_rebuilt_byte_for_byte(written: Path) -> None:
    first = derived(written)
    for name in first:
        (written / name).unlink()
    files.write_results(written)
    assert derived(written) == first
    assert json.loads((written / "results.json").read_text())[0]["rank"] == 1
    assert not list(written.glob(".*.tmp"))


def test_a_run_written_in_another_order_gives_the_same_bytes(
    written: Path, rates: Rates, run: MakeRun, save: Save, tmp_path: Path
) -> None:
    other = save(tmp_path / "elsewhere" / written.name, run(rates()[::-1]))
    files.write_results(other)
    assert derived(other) == derived(written)


def test_an_unchanged_plot_is_not_drawn_again(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_process, "draw", lambda *_: b"drawn again")
    files.write_results(written)
    path = written / "plots/learning_curves.svg"
    assert not path.read_bytes().startswith(b"drawn again")
    path.write_bytes(path.read_bytes()[:-20])
    files.write_results(written)
    assert path.read_bytes().startswith(b"drawn again")


def test_a_new_epoch_is_drawn(written: Path) -> None:
    before = derived(written)
    path = next(written.glob("trials/0001-*/epochs.jsonl"))
    path.write_text(path.read_text().replace("0.92", "0.91"))
    files.write_results(written)
    assert derived(written)["plots/learning_curves.svg"] != before["plots/learning_curves.svg"]


def test_a_refusing_disk_is_a_storage_error(written: Path) -> None:
    (written / "results.md").unlink()
    (written / "results.md").mkdir()
    with pytest.raises(StorageError, match=r"not replaced: .*results\.md: it is a folder"):
        files.write_results(written)
