"""What a killed process leaves behind is gone after the next start, wherever it lies in the run."""

import shutil
from pathlib import Path

import pytest

from analysis.verify.run_folder import verify
from search.run import ledger, opening

LEFT = ".state-000003.pt.77.tmp"


@pytest.fixture
def run(example, tmp_path) -> ledger.Run:
    """A complete run with trials of several kinds."""
    halved = next(path for path in example.parent.iterdir() if (path / "decisions.jsonl").exists())
    shutil.copytree(halved, tmp_path / "run")
    return ledger.read(tmp_path / "run")


def left_behind(run: ledger.Run, place: Path) -> list[str]:
    """What the check still finds after a leftover was put into a place, and the search was started again."""
    (place / LEFT).write_bytes(b"half")
    assert [problem.rpartition(": ")[2] for problem in verify(run.folder)] == ["left behind by a killed process"]
    opening.tidy(run)
    return verify(run.folder)


@pytest.mark.parametrize("place", ["", "plots", "code", "dvc"])
def test_in_the_run_itself(run, place):
    (run.folder / place).mkdir(exist_ok=True)
    assert left_behind(run, run.folder / place) == []


@pytest.mark.parametrize("status", ["stopped", "finished"])
def test_in_the_folder_of_a_trial_that_never_runs_again(run, status):
    trial = next(trial for trial in run.trials if trial.status == status)
    assert left_behind(run, trial.folder) == []
