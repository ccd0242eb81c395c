"""Converts Ray's errors about a worker, so that they end one trial and not the search. Imports Ray; import it late."""

import contextlib
from collections.abc import Iterator
from typing import Any

from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError

from search.faults.blame import Cause
from trainables.errors import GpuMemoryError

# The process of an actor or of a trial has ended; the second: Ray's memory monitor has ended it, which is no RayActorError.
GONE = (RayActorError, OutOfMemoryError)


class LastError:
    """Ray's error about the worker whose end Tune is handling right now."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    @property
    def short(self) -> Cause | None:
        """Which memory the worker ran short of; None if neither.

        "memory": the machine's memory, so Ray's memory monitor killed the worker. "gpu_memory": the memory of a shared GPU.
        """
        if isinstance(self.error, OutOfMemoryError):
            return "memory"
        return "gpu_memory" if isinstance(getattr(self.error, "cause", None), GpuMemoryError) else None


@contextlib.contextmanager
def contained() -> Iterator[LastError]:
    """Turn errors of a worker that Tune does not expect into the death of an actor; yield the real error.

    At an error that Tune does not expect, such as a kill by Ray's memory monitor, Tune gives up the whole search.
    """
    last, original = LastError(), RayActorManager._actor_task_failed

    def failed(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        last.error = exception
        if isinstance(exception, RayError) and not isinstance(exception, (RayActorError, RayTaskError)):
            exception = RayActorError(error_msg=str(exception))
        try:
            original(manager, tracked_actor_task=tracked_actor_task, exception=exception)
        finally:
            last.error = None

    RayActorManager._actor_task_failed = failed
    try:
        yield last
    finally:
        RayActorManager._actor_task_failed = original
