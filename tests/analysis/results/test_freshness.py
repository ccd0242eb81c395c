"""Whether results are up to date: pytest tests/analysis/results/test_freshness.py"""

import shutil

import pytest

from analysis.results import freshness
from search.run import identity
from trainables.files import durable


@pytest.fixture
def run(tmp_path, request):
    root = request.config.rootpath
    folder = tmp_path / "runs" / "lr_sweep-digits"
    shutil.copytree(min((root / "docs" / "examples").iterdir()), folder)
    freshness.put(folder, "a table")
    return folder


def test_what_was_printed_is_there_while_nothing_changes(run):
    assert freshness.shown(run) == "a table"
    shutil.copytree(run, run.parents[1] / "elsewhere" / run.name)
    assert freshness.shown(run.parents[1] / "elsewhere" / run.name) == "a table"


@pytest.mark.parametrize(
    "name", [*freshness.LEDGERS, *freshness.DERIVED, "plots/learning_curves.svg"]
)  # fmt: skip
def test_a_change_of_any_file_is_noticed(run, name):
    with (run / name).open("ab") as file:
        file.write(b" ")
    assert freshness.shown(run) is None


@pytest.mark.parametrize("name", ["epochs.jsonl", "val.npz"])
def test_a_change_of_a_trial_is_noticed(run, name):
    path = next(run.glob(f"trials/*/{name}"))
    path.write_bytes(path.read_bytes()[:-1])
    assert freshness.shown(run) is None


def test_a_new_trial_and_another_name_are_noticed(run):
    other = run.rename(run.with_name("other"))
    assert freshness.shown(other) is None
    run = other.rename(run)
    assert freshness.shown(run) == "a table"
    (run / "trials" / "9999-abcdef").mkdir()
    durable.append(run / "trials" / "9999-abcdef" / "epochs.jsonl", {"epoch": 1})
    assert freshness.shown(run) is None


def test_results_of_another_version_of_this_program_are_written_again(run, monkeypatch):
    monkeypatch.setattr(freshness, "sources", lambda package: identity.sources(package) + "changed")
    assert freshness.shown(run) is None


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"sha256": 1}'])
def test_a_stamp_that_is_missing_or_damaged_is_none(run, content):
    (run / freshness.FILE).unlink()
    if content is not None:
        (run / freshness.FILE).write_bytes(content)
    assert freshness.shown(run) is None
