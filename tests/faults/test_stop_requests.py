"""A search that has to stop while a trial reports: nothing is trained that nobody decided about."""

from pathlib import Path

import pytest
import torch

from search.backend import worker
from search.backend.worker import Job
from search.run import ledger, opening
from search.settings import Settings
from search.turns import Turn
from spaces import Space, choice
from trainables.files import durable
from trainables.objective import ACCURACY
from trainables.training.definition import Training
from trainables.trial import checkpointing

SPACE = Space(
    params={"model": "mlp", "depth": 1, "width": 8, "schedule": "constant", "augment": "none", "lr": choice(0.1, 0.2)},
    baseline={"lr": 0.1}, epochs=4,
)  # fmt: skip


@pytest.fixture
def job(tmp_path, images, monkeypatch):
    """A run whose first trial has one epoch."""
    torch.set_num_threads(1)
    monkeypatch.setattr(worker, "images", lambda *_: images)
    durable.make_folder(tmp_path / "run" / "ray")
    asked = Settings(
        space_name="toy", space=SPACE, dataset="toy", dataset_short="toy", fallback=None, cache=Path("none"),
        algorithm="grid", scheduler="asha", precision="fp32",
    )  # fmt: skip
    first = opening.open_run(tmp_path / "run", asked, images, False).trials[0]
    rows = checkpointing.run(first.folder, Training(first.config, images, seed=0, device="cpu", precision="fp32"))
    next(rows)
    rows.close()
    return Job(
        run=tmp_path / "run",
        cache=Path("none"),
        epochs=4,
        fraction=1.0,
        precision="fp32",
        threads=1,
        device="cpu",
        objective=ACCURACY,
    )


def rows_after(job: Job, stop_at: int) -> int:
    """How many epochs are committed in the end if the request comes while that epoch is reported."""

    def report(row: dict) -> None:
        assert "fault" not in row, row
        if row["epoch"] == stop_at:
            job.stop_marker.touch()

    worker.train_trial(job, Turn(0, 4), report)
    return len(ledger.read(job.run).trials[0].epochs)


@pytest.mark.parametrize("stop_at", [2, 3])
def test_a_request_during_a_new_epoch_is_heeded_at_once(job, stop_at):
    assert rows_after(job, stop_at) == stop_at


def test_a_request_while_the_last_epoch_is_reported_again_is_heeded_at_once(job):
    """As after a decision that could not be written down: the trial may not go past its rung."""
    assert rows_after(job, 1) == 1
