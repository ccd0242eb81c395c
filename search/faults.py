"""Faults of the machine, as a worker reports them. They end the search and are never held against a configuration."""

from dataclasses import dataclass

from trainables.errors import DataError, ExpectedError, LockedError, RayError, RunError, StorageError

KINDS: dict[str, type[ExpectedError]] = {
    error.kind: error for error in (DataError, RunError, StorageError, LockedError, RayError)
}


@dataclass(frozen=True)
class Fault:
    """The kind and message of an ExpectedError that happened in another process."""

    kind: str
    message: str

    def error(self) -> ExpectedError:
        return KINDS.get(self.kind, RayError)(self.message)
