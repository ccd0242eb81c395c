"""Ray's errors about a worker, brought into a form that costs Tune one trial and not the search. Imports Ray; import it late."""

import contextlib
from collections.abc import Iterator
from typing import Any

from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError

from search.faults.blame import Cause
from trainables.errors import GpuMemoryError


class LastError:
    """What Ray says of the worker whose end Tune is handling right now."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    @property
    def short(self) -> Cause | None:
        """The memory that it was short of: the machine's, when Ray's memory monitor killed it, or that of a shared GPU."""
        if isinstance(self.error, OutOfMemoryError):
            return "memory"
        return "gpu_memory" if isinstance(getattr(self.error, "cause", None), GpuMemoryError) else None


@contextlib.contextmanager
def contained() -> Iterator[LastError]:
    """Tune gives up the whole search at any error of a worker that it does not expect, a kill by Ray's memory monitor among
    them. Inside this block such an error is an actor's death like others; yields what the error really was.
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
