"""A trial of an engine in its folder: another thread commits its epochs, so that the engine never waits for a disk.

The thread runs `checkpointing.run`, which takes its epochs from here in place of `train`. While it commits one, the trial waits,
whose numbers it may still need; all others train on.
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
    """Takes the place of `train` for one trial. `epochs` is called in the thread that commits, all else by the engine.

    Args:
        give: hands a trial to the engine.
        noted: told why the trial is called and not replayed, in the thread that commits.
    """

    def __init__(self, give: Callable[[Work], object], noted: Callable[[str], object] = lambda why: None) -> None:
        self._give, self._noted = give, noted
        self._told: queue.SimpleQueue[Epoch | Exception | str | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._last = 0  # epoch that was told

    def epochs(
        self,
        training: Training,
        *,
        state: Mapping[str, Any] | None = None,
        known: Mapping[int, float] | None = None,
        on_batch: Callable[[int, int], None] | None = None,
    ) -> Generator[Epoch]:
        """As `train`, by the engine. The trial's next epoch begins when the next one is asked for.

        Raises:
            Exception: that of the trial.
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
        """Hand an epoch on; one that was told before memory ran out is known already."""
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
    """An epoch whose state is brought to the host first, while nothing is captured."""

    def state(self) -> dict[str, Any]:
        with CAPTURING:
            found: dict[str, Any] = on_host(super().state())
        return found


class SeatedRows(NetworkRows):
    """The rows of a trial in an engine: its thread uses the device only while nothing is captured, and global random states only
    while they are no other trial's, as when a user's network is built to count its weights."""

    def begun(self, folder: Path) -> None:
        with DRAWING:
            super().begun(folder)

    def trained(self, folder: Path, last: Any, seconds: float) -> None:
        with CAPTURING, DRAWING:
            super().trained(folder, last, seconds)

    def keep(self, folder: Path, last: Any, state: State | None) -> None:
        with CAPTURING:  # not while it is written
            here = replace(last, best=last.best.on_host()) if last else None
        super().keep(folder, here, state)


def on_host(value: Any) -> Any:
    """Nested dictionaries and lists with their tensors on the CPU; those that are there already are not copied."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        moved = type(value)((key, on_host(each)) for key, each in value.items())
        if versions := getattr(value, "_metadata", None):  # of a state_dict, which modules read when it is loaded
            moved._metadata = versions  # type: ignore[attr-defined]
        return moved
    return [on_host(each) for each in value] if isinstance(value, list) else value
