"""Errors that a user can act on: one line, one exit code, no traceback.

Each message has the form `what: where: why. Next step.`. The command line prints it as `error[kind]: message`.
"""

from collections.abc import Sequence


class ExpectedError(Exception):
    """Base of all errors whose message is meant for the user; `kind` and `exit_code` are set by each subclass.

    Args:
        details: further lines, each printed on a line of its own below the message.
    """

    kind = "error"
    exit_code = 1

    def __init__(self, message: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return "\n  ".join([self.message, *self.details])


class UsageError(ExpectedError):
    """The command line cannot be understood."""

    kind, exit_code = "usage", 2


class SpaceError(ExpectedError):
    """The search space or a configuration is not valid."""

    kind, exit_code = "space", 3


class DataError(ExpectedError):
    """The images are missing, damaged or cannot be fetched."""

    kind, exit_code = "data", 4


class RunError(ExpectedError):
    """A run folder is missing, damaged, or differs from what is asked."""

    kind, exit_code = "run", 5


class StorageError(ExpectedError):
    """The disk is full, read-only or otherwise refuses a durable write."""

    kind, exit_code = "storage", 6


class DeniedError(StorageError):
    """This user may not write at a path, or nobody may. The disk itself has no fault."""


class LockedError(ExpectedError):
    """Another process works on this run."""

    kind, exit_code = "locked", 7


class TrialsError(ExpectedError):
    """Trials fail in a way that looks like a bug and not like a bad configuration."""

    kind, exit_code = "trials", 1


class GpuMemoryError(Exception):
    """The memory of a GPU that several trials share ran out. Users never see it: the search runs the trial again alone."""


class LostError(Exception):
    """What trained a trial was ended from outside, for want of memory or by a batch system: no fault of the configuration."""


class RayError(ExpectedError):
    """Ray cannot start or keeps failing."""

    kind, exit_code = "ray", 8
