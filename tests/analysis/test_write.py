"""The derived files: whole, the same bytes again, and never in place of a file that is not ours."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import plots, write
from search.ledger import Run, Trial
from trainables.errors import RunError, StorageError

MakeRun = Callable[..., Run]
Rates = Callable[[], list[Trial]]
WriteRun = Callable[[Path, Run], Path]


@pytest.fixture
def folder(rates: Rates, run: MakeRun, write: WriteRun, tmp_path: Path) -> Path:
    return write(tmp_path / "runs" / "lr_sweep-digits", run(rates()))


def derived(folder: Path) -> dict[str, str]:
    names = ("results.md", "results.csv", "results.json", "plots/learning_curves.svg")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_everything_derived_can_be_rebuilt_byte_for_byte(folder: Path) -> None:
    write.write_results(folder)
    first = derived(folder)
    for name in first:
        (folder / name).unlink()
    write.write_results(folder)
    assert derived(folder) == first
    assert json.loads((folder / "results.json").read_text())[0]["rank"] == 1
    assert not list(folder.glob(".*.tmp"))


def test_a_copied_run_gives_the_same_bytes_elsewhere(
    folder: Path, rates: Rates, run: MakeRun, write: WriteRun, tmp_path: Path
) -> None:
    from analysis.write import write_results

    other = write(tmp_path / "elsewhere" / "lr_sweep-digits", run(rates()[::-1]))
    for each in (folder, other):
        write_results(each)
    assert derived(other) == derived(folder)


def test_an_unchanged_plot_is_not_drawn_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write.write_results(folder)
    monkeypatch.setattr(plots, "learning_curves", lambda _: b"drawn again")
    write.write_results(folder)
    path = folder / "plots/learning_curves.svg"
    assert not path.read_bytes().startswith(b"drawn again")
    path.write_bytes(path.read_bytes()[:-20])
    write.write_results(folder)
    assert path.read_bytes().startswith(b"drawn again")


def test_a_refusing_disk_leaves_the_old_files(folder: Path) -> None:
    write.write_results(folder)
    before = (folder / "results.csv").read_bytes()
    (folder / "results.md").unlink()
    (folder / "results.md").mkdir()
    with pytest.raises(StorageError, match=r"cannot write: .*results\.md"):
        write.write_results(folder)
    assert (folder / "results.csv").read_bytes() == before


def test_a_copy_has_the_same_text_with_its_links_prefixed(folder: Path, tmp_path: Path) -> None:
    (folder / "notes.md").write_text("see [mine](trials/x)\n")
    write.write_results(folder)
    write.copy_results(folder, tmp_path / "results.md")
    text, copy = (folder / "results.md").read_text(), (tmp_path / "results.md").read_text()
    assert copy.replace("](runs/lr_sweep-digits/", "](") == text
    assert copy.count("](runs/lr_sweep-digits/") == text.count("](") - 1
    assert copy.endswith("see [mine](trials/x)\n")


@pytest.mark.parametrize(
    ("target", "link"),
    [("a b/(c)/results.md", "](../../runs/lr_sweep-digits/"), ("runs/lr_sweep-digits/copy.md", "](results.csv)")],
)
def test_links_lead_from_wherever_the_copy_is(folder: Path, tmp_path: Path, target: str, link: str) -> None:
    write.write_results(folder)
    write.copy_results(folder, tmp_path / target)
    assert link in (tmp_path / target).read_text()


def test_names_of_folders_are_quoted_in_links(rates: Rates, run: MakeRun, write: WriteRun, tmp_path: Path) -> None:
    from analysis.write import copy_results, write_results

    folder = write(tmp_path / "my runs)" / "x", run(rates()))
    write_results(folder)
    copy_results(folder, tmp_path / "results.md")
    assert "](my%20runs%29/x/results.csv)" in (tmp_path / "results.md").read_text()


def test_our_own_file_is_replaced(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "results.md"
    target.write_text("<!-- written by run_search.py: another run -->\nold\n")
    write.write_results(folder)
    write.copy_results(folder, target)
    assert "old" not in target.read_text()


@pytest.mark.parametrize("content", ["# my own results\n", "", "\n<!-- written by run_search.py: x -->\n"])
def test_a_file_that_is_not_ours_is_never_replaced(folder: Path, tmp_path: Path, content: str) -> None:
    target = tmp_path / "results.md"
    target.write_text(content)
    write.write_results(folder)
    with pytest.raises(
        StorageError, match=r"not replaced: .* The results are safe in .*lr_sweep-digits; use --results OTHER\."
    ):
        write.copy_results(folder, target)
    assert target.read_text() == content


def test_a_folder_is_never_replaced(folder: Path, tmp_path: Path) -> None:
    write.write_results(folder)
    with pytest.raises(StorageError, match="it is a folder"):
        write.copy_results(folder, tmp_path)


@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_a_link_is_replaced_and_not_followed(folder: Path, tmp_path: Path, kind: str) -> None:
    other, target = tmp_path / "other", tmp_path / "results.md"
    if kind == "file":
        other.write_text("precious")
    elif kind == "folder":
        other.mkdir()
    target.symlink_to(other)
    write.write_results(folder)
    write.copy_results(folder, target)
    assert not target.is_symlink()
    assert target.read_text().startswith(results_marker())
    assert kind != "file" or other.read_text() == "precious"
    assert kind != "folder" or not list(other.iterdir())


def results_marker() -> str:
    from analysis import results

    return results.MARKER


def test_without_results_there_is_nothing_to_copy(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"results\.md"):
        write.copy_results(folder, tmp_path / "results.md")
