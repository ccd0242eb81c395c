"""Faults of the machine, as a worker reports them, and bugs that fail every trial. They end the search.

A fault of the machine is never held against a configuration.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from search.run.ledger import Trial, read_epochs
from trainables.errors import (
    DataError,
    ExpectedError,
    LockedError,
    RayError,
    RunError,
    SpaceError,
    StorageError,
    TrialsError,
    UsageError,
)
from trainables.files import durable
from trainables.files.refusals import DENIED, FULL

KINDS: dict[str, type[ExpectedError]] = {
    error.kind: error
    for error in (UsageError, SpaceError, DataError, RunError, StorageError, LockedError, TrialsError, RayError)
}
STORAGE = (*FULL, *DENIED, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE)
STREAK = 3  # identical failures, and nothing else, before a search stops by itself


@dataclass(frozen=True)
class Fault:
    """The kind and message of an ExpectedError that happened in another process."""

    kind: str
    message: str

    def error(self) -> ExpectedError:
        return KINDS.get(self.kind, RayError)(self.message)


def fault_behind(error: BaseException, run: Path) -> Fault | None:
    """The fault of the machine that led to an exception; None if no such fault is known.

    The causes of the exception are searched, because Ray wraps what our code raises.
    """
    for cause in chain(error):
        if isinstance(cause, ExpectedError):
            return Fault(cause.kind, str(cause))
        if isinstance(cause, OSError) and cause.errno in STORAGE:
            told = durable.storage_error(Path(cause.filename or run), cause, 0)
            return Fault(told.kind, str(told))
    return None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, then the exception that it was raised from or while handling, and so on."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


def blame(trial: Trial, error: str) -> None:
    """Commit that a configuration failed when its process died and left no traceback; do nothing if it has trained on since.

    Raises:
        LockedError: a process still trains the trial.
        StorageError: the disk refused.
    """
    durable.make_folder(trial.folder)
    with durable.folder_lock(trial.folder):
        rows, outcome = read_epochs(trial.folder / "epochs.jsonl", trial.objective)
        if outcome != trial.outcome or len(rows) > len(trial.epochs):
            return  # a process that was thought dead has committed its last words
        where = f"epoch {len(trial.epochs) + 1}"
        durable.write(trial.folder / "error.txt", f"{where}: {error}\n".encode())
        durable.append(trial.folder / "epochs.jsonl", {"outcome": "failed", "error": error, "where": where})
        durable.remove_states(trial.folder)


class FailureStreak:
    """Watches whether a search begins with failures that are all the same.

    Args:
        has_trained: the search was started before, and has trained epochs.
    """

    def __init__(self, has_trained: bool = False) -> None:
        self._seen: list[tuple[str, str]] = []
        self._over = has_trained

    def add(self, trial: Trial) -> Fault | None:
        """Count a trial that has ended; return a fault if the first STREAK trials failed alike, as by a bug."""
        self._over = self._over or trial.status != "failed" or bool(trial.epochs)
        if self._over or trial.outcome is None:
            return None
        self._seen.append((trial.outcome["error"], trial.outcome["where"]))
        if len(set(self._seen)) > 1:
            self._over = True
        if self._over or len(self._seen) < STREAK:
            return None
        error, where = self._seen[0]
        return Fault(
            TrialsError.kind,
            f"the first {STREAK} trials failed alike: {where}: {error}. It looks like a bug; {trial.folder}/error.txt has "
            "the traceback. Fix it, then run the same command again with --retry-failed (after a change of your own code also "
            "with --allow-changes).",
        )
