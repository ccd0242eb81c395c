"""Runs of every format that was ever released load, verify, render and resume: pytest tests/test_released_runs.py

How they were made stands in tests/fixtures/runs/README.md. The sources of trainables/ have changed since, which is a change of
identity; so resuming needs --allow-changes here, as it does for their owners.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.results import files
from analysis.verify import run_folder
from search import records
from search.run import identity, ledger
from search.run.confirmation import is_complete
from search.settings import Settings
from trainables.data import loading
from trainables.errors import RunError
from trainables.files import durable

ROOT = Path(__file__).parents[1]
RELEASED = ROOT / "tests" / "fixtures" / "runs"
RUNS = sorted(path.parent for path in RELEASED.glob("schema-*/run.json"))
FORMATS = sorted({path.name.rpartition("-")[0] for path in RUNS})


def space():
    """The space of the released runs."""
    spec = importlib.util.spec_from_file_location("released", RELEASED / "released.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SPACE


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return loading.prepare("digits", tmp_path_factory.mktemp("digits") / "data", progress=False)


@pytest.fixture
def copy(tmp_path):
    """A copy of a released run; those in the repository are never touched."""
    return lambda name: Path(shutil.copytree(RELEASED / name, tmp_path / name))


def settings(run: Path, cache: Path, **more) -> Settings:
    """What the command of a released run says."""
    known = ledger.read_identity(run)
    asked = {
        "scheduler": known.scheduler["name"],
        "fraction": known.fraction,
        "allow_changes": True,
        **more,
    }
    return Settings(
        space_name="released", space=space(), dataset="digits", dataset_short="digits", fallback=None, cache=cache,
        algorithm=known.algorithm, precision="fp32", **asked,
    )  # fmt: skip


@pytest.fixture
def go_on(cache, without_ray):
    """Continue a run to its end with the sources of today."""

    def train(path: Path, **more) -> ledger.Run:
        asked = settings(path, cache, **more)
        return without_ray(path, asked, loading.load(cache, fraction=asked.fraction))

    return train


def rows(run: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sorted(run.glob("trials/*/epochs.jsonl"))}


def statuses(run: ledger.Run) -> list[str]:
    return [one.status for one in run.trials]


def test_every_format_has_its_three_runs():
    assert {f"schema-{schema}" for schema in records.SCHEMAS} == set(FORMATS)
    ends = ("finished", "interrupted", "stopped")
    assert {path.name for path in RUNS} == {f"{released}-{end}" for released in FORMATS for end in ends}


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_a_released_run_is_sound(path):
    assert run_folder.verify(path) == []
    assert is_complete(ledger.read(path)) == (not path.name.endswith("interrupted"))


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_a_released_run_gives_the_results_that_it_gave(path, copy):
    """Later versions may say more about a trial, judge ties better and doubt the best one more, but say nothing else."""
    run = copy(path.name)
    files.write_results(run)
    before, after = (json.loads((place / "results.json").read_text()) for place in (path, run))
    for row, now in zip(before, after, strict=True):
        facts = row.keys() - {"tied_with_best", "val_accuracy_low"}
        lows = [each["val_accuracy_low"] for each in (now, row)]
        assert lows == [None, None] or lows[0] <= lows[1] + 1e-12
        assert {key: now[key] for key in facts} == pytest.approx({key: row[key] for key in facts})
    assert f"{100 * before[0]['val_accuracy']:.2f} % validation accuracy" in (run / "results.md").read_text()


@pytest.mark.parametrize("released", FORMATS)
def test_a_finished_run_stays_as_it_is_and_can_be_lengthened_and_widened(released, copy, go_on):
    run = copy(f"{released}-finished")
    before = rows(run)
    assert statuses(go_on(run)) == ["finished"] * 3
    assert rows(run) == before
    longer = go_on(run, epochs=6, num_samples=4)
    assert statuses(longer) == ["finished"] * 4
    assert [len(one.epochs) for one in longer.trials] == [6] * 4
    after = rows(run)
    assert all(after[name].startswith(content) for name, content in before.items())
    assert run_folder.verify(run) == []


@pytest.mark.parametrize("released", FORMATS)
def test_an_interrupted_run_goes_on_to_its_end(released, copy, go_on):
    run = copy(f"{released}-interrupted")
    before = rows(run)
    assert not is_complete(ledger.read(run))
    whole = go_on(run)
    assert statuses(whole) == ["finished"] * 3
    assert [len(one.epochs) for one in whole.trials] == [60] * 3
    assert all(rows(run)[name].startswith(content) for name, content in before.items())
    assert run_folder.verify(run) == []


def test_a_run_of_schema_1_goes_on_only_where_that_is_allowed(copy, cache, go_on):
    run = copy("schema-1-interrupted")
    with pytest.raises(RunError, match="go on with --allow-changes") as caught:
        go_on(run, allow_changes=False)
    assert "schema: 1 is now 2" in caught.value.details
    assert not any("space_hash" in line for line in caught.value.details), "it is the same space"
    assert is_complete(go_on(run, epochs=60))
    assert ledger.read(run).identity.schema == 2
    assert is_complete(go_on(run, allow_changes=False, epochs=61)), "what was allowed holds"
    assert run_folder.verify(run) == []


@pytest.mark.parametrize("released", FORMATS)
def test_stopped_trials_stay_stopped_and_their_decisions_count_for_new_ones(released, copy, go_on):
    run = copy(f"{released}-stopped")
    before, decided = rows(run), (run / "decisions.jsonl").read_bytes()
    wider = go_on(run, num_samples=8)
    assert statuses(wider)[:6] == statuses(ledger.read(RELEASED / run.name))
    assert "stopped" in statuses(wider)[:6]
    assert all(rows(run)[name] == content for name, content in before.items())
    assert (run / "decisions.jsonl").read_bytes().startswith(decided)
    assert {line["trial"] for line in durable.read_lines(run / "decisions.jsonl")} >= {6, 7}
    assert run_folder.verify(run) == []


def command(work: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "run_search.py", *arguments], cwd=work, env={**os.environ, "PYTHONPATH": str(work)},
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("released", FORMATS)
def test_the_command_itself_resumes_an_interrupted_run(released, tmp_path):
    for package in ("search", "trainables", "spaces", "analysis"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "run_search.py", tmp_path)
    shutil.copy(RELEASED / "released.py", tmp_path / "spaces")
    run = Path(shutil.copytree(RELEASED / f"{released}-interrupted", tmp_path / "runs" / "old"))
    before = rows(run)
    is_changed = ledger.read_identity(run).code != identity.code_hash()  # that of a format of today may not have
    if is_changed:
        refused = command(tmp_path, "--resume", "old")
        assert (refused.returncode, "  this program (hash of its code): " in refused.stderr) == (5, True)
    done = command(tmp_path, "--resume", "old", "--allow-changes")
    assert done.returncode == 0, done.stderr
    assert "continuing runs/old: released on digits, 3 trials of 60 epochs" in done.stderr
    assert statuses(ledger.read(run)) == ["finished"] * 3
    assert all(rows(run)[name].startswith(content) for name, content in before.items())
    assert ("change allowed by --allow-changes" in (run / "results.md").read_text()) == is_changed
    assert run_folder.verify(run) == []
