"""Trials that take turns: as many as there are lanes, each a real trial with the rows of `train`."""

import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainables.engine import slots
from trainables.engine.lanes import DRAWING, Lane
from trainables.engine.pieces import Beat, Pieces
from trainables.training.definition import Training
from trainables.training.device_errors import is_broken_device, is_out_of_memory, is_starved
from trainables.training.loop import Course, Epoch

PAUSE = 5e-5  # seconds, when every lane has enough to do
IDLE = 1e-3  # seconds, when there is nothing to do


@dataclass(frozen=True, kw_only=True)
class Work:
    """A trial, and who wants to know of it.

    Attributes:
        heard: told of each epoch before the next one begins; whether to go on, or None if `answer` knows later.
        answer: asked until it says whether to go on; others train meanwhile.
        on_batch: told now and then how many of the epoch's batches were given to the device.
        ended: told at the end, with the error if that was one.
        again: the same trial from where it can go on, when memory ran out beside others; rows since then are told again.
        noted: told once why the trial is not replayed but called, after the epoch in which that was found.
        state, known: see `train`.
    """

    training: Training
    heard: Callable[[Epoch], bool | None]
    answer: Callable[[], bool | None] = lambda: True
    on_batch: Callable[[int, int], None] | None = None
    ended: Callable[[Exception | None], None] = lambda error: None
    again: Callable[[], "Work"] | None = None
    noted: Callable[[str], None] = lambda why: None
    state: Mapping[str, Any] | None = None
    known: Mapping[int, float] | None = None


@dataclass
class Slot:
    """A lane, and what is on it now."""

    lane: Lane
    work: Work | None = None
    turns: Iterator[Beat] | None = None
    is_alone: bool = False  # nothing else trains meanwhile, and nothing else has memory

    def begin(self, work: Work, is_alone: bool = False) -> None:
        self.work, self.turns, self.is_alone = work, turns(work, self.lane, is_alone), is_alone

    def turn(self) -> Beat | None:
        """A bit of its work; None when it has ended."""
        assert self.turns, "there is something on the lane"
        with self.lane.within():
            return next(self.turns, None)

    def clear(self) -> None:
        self.work, self.turns, self.is_alone = None, None, False


class Engine:
    """Trains what `take` hands out, a trial on each lane.

    Where memory runs out, the trial is laid aside, half as many train from then on, and when nothing else is left it is tried
    alone, with all memory that the others had; only then it is its error.
    """

    def __init__(self, lanes: Sequence[Lane], take: Callable[[], Work | None]) -> None:
        self.slots, self.most = [Slot(lane) for lane in lanes], len(lanes)
        self._take, self._aside = take, deque[Work]()

    @property
    def running(self) -> int:
        return sum(slot.turns is not None for slot in self.slots)

    def run(self) -> None:
        """Until there is nothing more and all have ended.

        Raises:
            RuntimeError: the device does not work any more.
        """
        while self.round() or self.running or self._aside:
            pass

    def serve(self, is_over: Callable[[], bool]) -> None:
        """Until that is so, also while there is nothing to train.

        Raises:
            RuntimeError: the device does not work any more.
        """
        while not is_over():
            self.round()
            if not self.running:
                time.sleep(IDLE)

    def round(self) -> bool:
        """A turn for each lane; whether there may be more trials."""
        is_more, was_given = self._fill(), False
        for slot in self.slots:
            if slot.turns:
                was_given |= self._turn(slot)
        if self.running and not was_given:
            time.sleep(PAUSE)
        return is_more

    def _fill(self) -> bool:
        """Put trials on the lanes that are free; whether there may be more of them."""
        if any(slot.is_alone for slot in self.slots):
            return True
        for slot in self.slots:
            if slot.turns is None and self.running < self.most:
                work = self._take()
                if work is None:
                    if self._aside and not self.running:
                        self._try_alone(slot, self._aside.popleft())
                    return False
                slot.begin(work)
        return True

    def _try_alone(self, slot: Slot, work: Work) -> None:
        """Begin a trial that was laid aside, after every lane has given its memory back."""
        for each in self.slots:
            each.lane.release()
        slot.begin(work, is_alone=True)

    def _turn(self, slot: Slot) -> bool:
        """A turn for one lane; whether the device was given work, or a lane came free."""
        try:
            beat = slot.turn()
        except Exception as error:
            self._failed(slot, error)
            return True
        if beat is None:
            slot.clear()
        return beat is not False

    def _failed(self, slot: Slot, error: Exception) -> None:
        """End a trial by its error, or lay it aside."""
        work, was_alone, running = slot.work, slot.is_alone, self.running
        assert work
        slot.clear()
        has_no_memory = is_out_of_memory(error) or is_starved(error)
        if is_broken_device(error) and not has_no_memory:
            raise error
        let_go(error)
        if has_no_memory and not was_alone and work.again:
            self.most = running // 2 or self.most
            self._aside.append(work.again())
        else:
            work.ended(error)
        if has_no_memory:
            slot.lane.release()


def let_go(error: BaseException | None) -> None:
    """Drop what the frames of an error hold, which is the memory of its trial; the lines of its traceback stay."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def run(lanes: Sequence[Lane], take: Callable[[], Work | None]) -> None:
    """Train what `take` hands out until it has no more and all have ended. An error of a trial ends that trial alone."""
    Engine(lanes, take).run()


def turns(work: Work, lane: Lane, is_alone: bool = False) -> Iterator[Beat]:
    """One trial, from its start to its end: its epochs, each told before the next one begins."""
    with DRAWING:
        course = Course(work.training, work.state, work.known, keeps_weights=True)
    pieces, is_noted = Pieces(course, lane, is_alone), False
    for beat in slots.epochs(course, lane, pieces, work.on_batch):
        if not isinstance(beat, Epoch):
            yield beat
            continue
        if pieces.eager and not is_noted:
            work.noted(pieces.eager)
            is_noted = True
        goes_on = work.heard(beat)
        while goes_on is None:
            yield False
            goes_on = work.answer()
        if not goes_on:
            break
    work.ended(None)
