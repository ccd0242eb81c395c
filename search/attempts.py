"""Train a run to its end: one attempt after another until every trial has ended, or the machine gives up."""

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
    """Train every trial of the run that has not ended, and then those that confirm; return at once if there is none.

    Raises:
        Interrupted: a signal came; running trials have saved what they could.
        StorageError, DataError, RunError, LockedError: a fault of the machine, met here or by a worker.
        RayError: Ray does not start or fails again and again.
        RunError: it would go on on another kind of device.
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
    """Refuse to continue a search on another kind of device, CPU or GPU, because their numbers differ.

    Raises:
        RunError: no trial has run on what there is now, and some have run elsewhere.
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
        way_back = "Use --gpus-per-trial 0" if device == "cuda" else "Check that Ray finds the GPU (nvidia-smi)"
        raise RunError(
            f"another device: {run.folder}: its trials ran on {before}, and these would run on {device}. "
            f"{way_back}, or go on with --allow-changes."
        )


def device_of(resources: Resources) -> str:
    """What torch calls the device of a trial with these resources."""
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
    """One attempt. What Ray throws is kept in its log and answered by the next attempt, unless a fault is behind it."""
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
    """Paths are made absolute, because a worker need not start in the same folder."""
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
        is_steady=run.identity.training is not None and settings.epoch_timeout is None,
        exact=not any(NUMERIC & line.identity.keys() for line in ledger.read_totals(run.folder)),
    )
