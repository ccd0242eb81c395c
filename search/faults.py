"""Faults of the machine, as a worker reports them, and bugs that fail every trial. They end the search.

A fault of the machine is never held against a configuration.
"""

from dataclasses import dataclass

from search.ledger import Trial
from trainables.errors import DataError, ExpectedError, LockedError, RayError, RunError, StorageError, TrialsError

KINDS: dict[str, type[ExpectedError]] = {
    error.kind: error for error in (DataError, RunError, StorageError, LockedError, TrialsError, RayError)
}
STREAK = 3  # identical failures, and nothing else, before a search stops by itself


@dataclass(frozen=True)
class Fault:
    """The kind and message of an ExpectedError that happened in another process."""

    kind: str
    message: str

    def error(self) -> ExpectedError:
        return KINDS.get(self.kind, RayError)(self.message)


class FailureStreak:
    """Watches whether a search begins with failures that are all the same."""

    def __init__(self) -> None:
        self._seen: list[tuple[str, str]] = []
        self._over = False

    def add(self, trial: Trial) -> Fault | None:
        """Take in a trial that has ended; a fault if it looks like a bug."""
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
            "the traceback. Mend it and run the same command again with --retry-failed.",
        )
