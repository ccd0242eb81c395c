"""Connect a trial of an engine with its folder: another thread commits the epochs, so the engine never waits for a disk.

The thread runs `checkpointing.run`, which takes the epochs from `Seat.epochs` instead of `train`. While the thread commits an
epoch, that trial waits, because the thread may still read its tensors. The other trials of the engine go on.
"""

import queue
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from trainables.engine.engine import Work
from trainables.engine.lanes import CAPTURING, DRAWING
from trainables.training.definition import Training
from trainables.training.loop import Epoch
from trainables.trial.rows import NetworkRows, State


class Seat:
    """Replaces `train` for one trial. The committing thread calls `epochs`; the engine calls everything else.

    Args:
        give: hands a trial to the engine.
        noted: called in the committing thread with the reason why the engine calls the trial's steps instead of replaying
            captured graphs.
    """

    def __init__(self, give: Callable[[Work], object], noted: Callable[[str], object] = lambda why: None) -> None:
        self._give, self._noted = give, noted
        self._told: queue.SimpleQueue[Epoch | Exception | str | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._last = 0  # the last epoch that was handed on

    def epochs(
        self,
        training: Training,
        *,
        state: Mapping[str, Any] | None = None,
        known: Mapping[int, float] | None = None,
        on_batch: Callable[[int, int], None] | None = None,
    ) -> Generator[Epoch]:
        """Train with the engine, with the arguments of `train`. The next epoch begins when the next value is requested.

        Raises:
            Exception: the exception that ended the trial.
        """

        def work() -> Work:
            return Work(
                training=training, heard=self._heard, answer=self._answer, ended=self._told.put, again=work,
                noted=self._told.put, on_batch=on_batch, state=state, known=known,
            )  # fmt: skip

        self._give(work())
        while isinstance(told := self._told.get(), (Epoch, str)):
            if isinstance(told, str):
                self._noted(told)
                continue
            goes_on = False
            try:
                yield Copied(**{field.name: getattr(told, field.name) for field in fields(told)})
                goes_on = True
            finally:
                self._answers.put(goes_on)
        if told:
            raise told

    def _heard(self, epoch: Epoch) -> bool | None:
        """Hand an epoch to the committing thread and return None. Return True for an epoch that was handed on before."""
        if epoch.metrics["epoch"] <= self._last:
            return True
        self._last = epoch.metrics["epoch"]
        self._told.put(epoch)
        return None

    def _answer(self) -> bool | None:
        try:
            return self._answers.get_nowait()
        except queue.Empty:
            return None


@dataclass(frozen=True)
class Copied(Epoch):
    """An epoch whose state is copied to the host while no CUDA graph is captured."""

    def state(self) -> dict[str, Any]:
        with CAPTURING:
            found: dict[str, Any] = on_host(super().state())
        return found


class SeatedRows(NetworkRows):
    """The rows of a trial in an engine.

    The committing thread uses the device only while no CUDA graph is captured. It draws from the global random states only
    while no other trial uses them, for example when it builds a user's network to count its weights.
    """

    def begun(self, folder: Path) -> None:
        with DRAWING:
            super().begun(folder)

    def trained(self, folder: Path, last: Any, seconds: float) -> None:
        with CAPTURING, DRAWING:
            super().trained(folder, last, seconds)

    def keep(self, folder: Path, last: Any, state: State | None) -> None:
        with CAPTURING:  # only to copy, not to write the files
            here = replace(last, best=last.best.on_host()) if last else None
        super().keep(folder, here, state)


def on_host(value: Any) -> Any:
    """Nested dictionaries and lists with all tensors moved to the CPU; tensors on the CPU are not copied."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        moved = type(value)((key, on_host(each)) for key, each in value.items())
        if versions := getattr(value, "_metadata", None):  # of a state_dict, which modules read when it is loaded
            moved._metadata = versions  # type: ignore[attr-defined]
        return moved
    return [on_host(each) for each in value] if isinstance(value, list) else value
