"""Train a run to its end: one attempt after another until every trial has ended or an error stops the search."""

import functools
import shutil
from pathlib import Path

from search.backend import limits, nodes, session
from search.backend.resources import Resources, check_disk, local
from search.backend.worker import Job
from search.faults.blame import Budgets
from search.faults.heartbeat import START_HERE, START_ON_CLUSTER, Watchdog
from search.faults.interrupts import Interrupts
from search.faults.machine import Fault, fault_behind
from search.faults.worker_deaths import Casualties
from search.flags import EPOCH_TIMEOUT
from search.run import confirmation, growth, ledger
from search.run.decisions import of_run
from search.run.local import place
from search.run.opening import tidy
from search.settings import Settings
from search.turns import Notify, Turns
from trainables.errors import RayError, RunError
from trainables.trial import timing

NUMERIC = {
    "precision",
    "threads",
    "code",
    "own_code",
    "torch",
}  # after an allowed change of these, repeated epochs may differ
FRUITLESS = 3  # attempts in a row without a new row before the machine is to blame


def train(folder: Path, settings: Settings, interrupts: Interrupts, notify: Notify) -> None:
    """Train every trial that has not ended, then the trials of the confirmation; return at once if no trial is left.

    Raises:
        Interrupted: a signal came; running trials have saved what they could.
        StorageError, DataError, RunError, LockedError: a fault of the machine, met here or by a worker.
        RayError: Ray does not start, or FRUITLESS attempts in a row made no progress.
        RunError: the search would go on on another kind of device.
    """
    run = confirmation.extend(ledger.read(folder))
    tidy(run)
    if not is_open(run):
        return
    check_disk(folder)
    limits.check(None if settings.address else local(settings).slots)
    budgets = Budgets()
    with session.ray_started(folder, settings.address, interrupts):
        resources = session.available(settings)
        check_device(run, resources, settings.allow_changes)
        if settings.address:
            nodes.make_ready(folder, settings, interrupts.check)
        fruitless = 0
        while is_open(run):
            fault = attempt_once(run, settings, resources, notify, budgets)
            interrupts.check()
            if fault:
                raise fault.error()
            before, run = run, confirmation.extend(ledger.read(folder))
            tidy(run)
            fruitless = 0 if progressed(before, run) else fruitless + 1
            if fruitless == FRUITLESS:
                raise RayError(
                    f"no progress in {FRUITLESS} attempts: {folder / 'ray' / 'output.log'} says why. Run the same command again."
                )


def check_device(run: ledger.Run, resources: Resources, allow_changes: bool) -> None:
    """Refuse to continue a search on another kind of device, because CPU and GPU compute different numbers.

    Raises:
        RunError: trials have run, the last device of each is of another kind than the present device, and changes are not
            allowed.
    """
    device = device_of(resources)
    before = ""
    for trial in run.trials:
        used = timing.devices(trial.folder)
        if used:
            before = used[-1]
        if before == device:
            return
    if before and not allow_changes:
        with_gpu = "Check that Ray finds the GPU (nvidia-smi), without --gpus-per-trial 0"
        way_back = "Use --gpus-per-trial 0" if device == "cuda" else with_gpu
        raise RunError(
            f"another device: {run.folder}: its trials ran on {before}, and these would run on {device}. "
            f"{way_back}, or go on with --allow-changes."
        )


def device_of(resources: Resources) -> str:
    """The name that torch has for the device of a trial with these resources: cuda or cpu."""
    return "cuda" if resources.gpus else "cpu"


def is_open(run: ledger.Run) -> bool:
    """Whether there are trials that have not ended, or that are not planned yet."""
    return not run.is_planned or not all(trial.ended for trial in run.trials)


def progressed(before: ledger.Run, after: ledger.Run) -> bool:
    return len(after.trials) > len(before.trials) or any(
        old.epochs != new.epochs or old.status != new.status
        for old, new in zip(before.trials, after.trials, strict=True)
    )


def attempt_once(
    run: ledger.Run, settings: Settings, resources: Resources, notify: Notify, budgets: Budgets
) -> Fault | None:
    """Run one attempt; return the fault that ended it, or None.

    An exception goes into Ray's log. If a fault of the machine is behind the exception, that fault is returned. Without a fault
    the caller makes the next attempt.
    """
    job = make_job(run, settings, resources)
    shutil.rmtree(job.pulses, ignore_errors=True)  # of workers that the attempt before did not see end
    start = max(START_ON_CLUSTER if settings.address else START_HERE, settings.epoch_timeout or 0)
    watchdog = Watchdog(job.pulses, settings.epoch_timeout or EPOCH_TIMEOUT, start, session.kill)
    turns = Turns(run, grow=functools.partial(growth.extend, run.folder, settings.space), aside=budgets.aside)
    casualties = Casualties(run, turns, watchdog, budgets)
    try:
        return session.attempt(run, job, resources, of_run(run), notify, casualties)
    except Exception as error:
        session.log_exception()  # into ray/output.log
        return fault_behind(error, run.folder)


def make_job(run: ledger.Run, settings: Settings, resources: Resources) -> Job:
    """The job for the workers, with absolute paths, because a worker may start in another folder."""
    return Job(
        run=run.folder.resolve(),
        cache=settings.cache.resolve(),
        caches={size: cache.resolve() for size, cache in settings.caches.items()},
        epochs=run.totals.epochs,
        fraction=run.identity.fraction,
        folds=run.identity.folds,
        precision=run.identity.precision,
        threads=run.identity.threads,
        device=device_of(resources),
        objective=run.identity.objective,
        shares_gpu=0 < resources.gpus < 1,
        code=run.identity.code_of(run.folder.resolve()),
        own=run.identity.training,
        place=place(run.folder),
        is_steady=run.identity.training is not None and settings.epoch_timeout is None,
        exact=not any(NUMERIC & line.identity.keys() for line in ledger.read_totals(run.folder)),
    )
