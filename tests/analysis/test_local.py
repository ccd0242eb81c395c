"""Where a folder of images lies is used by every command on this machine and told by none: pytest tests/analysis/test_local.py"""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.frame import images
from analysis.mirrors import refreshing
from analysis.report import html_page
from analysis.results import files
from analysis.views import show
from search import notebook
from search.run import ledger, local
from search.run.ledger import Run, Trial
from trainables.errors import DataError, UsageError

Save = Callable[[Path, Run], Path]
TITLE = "pets"


@pytest.fixture
def folder(rates: Callable[[], list[Trial]], run: Callable[..., Run], save: Save, tmp_path: Path) -> Path:
    """A run of a folder of images, which lies in tmp_path/photos/pets."""
    (tmp_path / "photos" / TITLE).mkdir(parents=True)
    found = save(tmp_path / "runs" / "t", run(rates(), dataset=f"{TITLE}-87d3", dataset_title=TITLE))
    local.keep(found, f"folder:{tmp_path}/photos/{TITLE}", tmp_path / "data")
    return found


def test_no_report_no_mirror_and_no_table_says_where_the_images_lie(folder: Path, tmp_path: Path) -> None:
    run = ledger.read(folder)
    files.write_results(folder)
    html_page.write(run)
    refreshing.mirror(folder, ["optuna", "dvc", *(["tensorboard"] if importlib.util.find_spec("tensorboard") else [])])
    telling = [path.name for path in folder.rglob("*") if path.is_file() and b"photos" in path.read_bytes()]
    assert telling == [local.FILE]
    assert "photos" not in "".join(show.show(run, run.trials[0], form) for form in ("md", "json", "csv"))


def test_a_command_that_needs_the_images_finds_them(folder: Path, tmp_path: Path) -> None:
    assert images.recorded(ledger.read(folder)) == f"folder:{tmp_path}/photos/pets"


def test_images_that_are_gone_are_one_line_with_the_next_step(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "photos" / TITLE).rmdir()
    with pytest.raises(DataError, match=r"^images are gone: .*photos/pets: t was .* --dataset folder:/path/to/pets\.$"):
        images.recorded(ledger.read(folder))


def test_the_command_that_is_shown_names_a_folder_only_where_it_has_to(folder: Path) -> None:
    run = ledger.read(folder)
    assert "--dataset" not in show.reproduce(run, run.trials[0])
    (folder / local.FILE).unlink()
    assert show.reproduce(run, run.trials[0]).endswith(" --dataset folder:/path/to/pets")
    with pytest.raises(UsageError, match="--dataset is missing"):
        images.recorded(run)


def test_results_md_is_the_same_on_every_machine(folder: Path) -> None:
    files.write_results(folder)
    before = (folder / "results.md").read_bytes()
    (folder / local.FILE).unlink()
    files.write_results(folder)
    assert (folder / "results.md").read_bytes() == before


@pytest.mark.parametrize("name", ["caf\udce9", "日本", "a b"])
def test_a_path_of_any_bytes_comes_back(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    local.keep(tmp_path, f"folder:{tmp_path / name}", tmp_path)
    assert local.dataset(tmp_path) == f"folder:{tmp_path / name}"


def test_what_has_a_name_of_its_own_has_no_path_and_nothing_is_written_twice(tmp_path: Path) -> None:
    local.keep(tmp_path, "digits", tmp_path / "data")
    assert local.known(tmp_path) == {"data_dir": str(tmp_path / "data")}
    assert local.dataset(tmp_path) is None
    before = (tmp_path / local.FILE).stat().st_mtime_ns
    local.keep(tmp_path, "digits", tmp_path / "data")
    assert (tmp_path / local.FILE).stat().st_mtime_ns == before


def test_own_training_stays_where_its_run_was_started_while_that_folder_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, run = tmp_path / "first", tmp_path / "second", tmp_path / "run"
    for folder in (first, second, run):
        folder.mkdir()
    monkeypatch.chdir(first)
    assert local.keep_place(run) == ""
    assert local.keep_place(run) == ""
    monkeypatch.chdir(second)
    assert local.keep_place(run) == f"your code runs in {first}, where this run was started"
    assert local.place(run) == first
    first.rmdir()
    assert local.place(run) is None
    assert local.keep_place(run) == ""
    assert local.place(run) == second


def test_a_notebook_that_resumes_a_path_gets_the_folder_of_that_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere" / "t").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert notebook.folder_of("t", {"resume": "elsewhere/t"}) == Path("elsewhere/t")
    assert notebook.folder_of("t", {"resume": "t"}) == Path("runs/t")
    assert notebook.folder_of("t", {"runs_dir": tmp_path}) == tmp_path / "t"
