"""What runs inside a Ray worker: one trial of the plan, in its folder of the run."""

import contextlib
import functools
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from search import ledger
from search.turns import Turn
from trainables.data import Dataset
from trainables.durable import Record
from trainables.errors import ExpectedError, LockedError, RayError

LOCK_PATIENCE = 20.0  # seconds; the worker of a search that was just killed lives a little longer than it


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all trials of a search share."""

    run: Path
    cache: Path
    epochs: int
    fraction: float
    precision: str
    threads: int
    device: str

    @property
    def stop_marker(self) -> Path:
        """Exists once the search was asked to stop; trials then save their state at the end of their epoch."""
        return self.run / "ray" / "stop"


def train_trial(job: Job, turn: Turn, report: Callable[[Record], None]) -> None:
    """Train a trial of the plan for one turn, reporting each epoch after it is committed.

    The last committed row is reported first: if the search died before it decided about that row, it decides now.
    A fault of the machine is reported as {"fault": kind, "message": text}, so that it is not taken for one of the trial.
    """
    if job.stop_marker.exists():
        return  # there is no sense in starting now
    try:
        planned = ledger.planned(job.run, turn.trial)
        trial = ledger.read_trial(job.run, planned, job.epochs)
        if trial.epochs:
            report(trial.epochs[-1])
            if job.stop_marker.exists():
                return
        continue_trial(job, trial, turn.until, report)
    except ExpectedError as error:
        report({"fault": error.kind, "message": str(error)})


def continue_trial(job: Job, trial: ledger.Trial, until: int, report: Callable[[Record], None]) -> None:
    """Wait for the folder if need be, then train."""
    import torch  # only here: reading a plan needs no torch

    from trainables import trial as one

    if job.device == "cuda" and not torch.cuda.is_available():
        raise RayError(
            "torch sees no GPU: it was granted one. Install torch for this driver, or use --gpus-per-trial 0."
        )
    torch.set_num_threads(job.threads)
    give_up = time.monotonic() + LOCK_PATIENCE
    while True:
        rows = one.run(
            trial.folder, trial.config, images(job.cache, job.fraction),
            seed=trial.seed, device=job.device, precision=job.precision, until=until,
            stopping=job.stop_marker.exists,
        )  # fmt: skip
        try:
            with contextlib.closing(rows):  # saves the state of a trial that is left early, and frees its folder
                for row in rows:
                    report(row)
                    if job.stop_marker.exists():
                        break
            break
        except LockedError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)
    gc.collect()  # the actor is used again: leave nothing behind
    if job.device != "cpu":
        torch.cuda.empty_cache()


@functools.lru_cache(maxsize=1)
def images(cache: Path, fraction: float) -> Dataset:
    """The data set, memory-mapped once per worker."""
    from trainables import data

    return data.load(cache, fraction=fraction)
