"""The engine: as many trials as there are lanes take turns. Each is a real trial and gives the rows of `train`."""

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
    """A trial for the engine, and the functions that the engine calls about this trial.

    Attributes:
        heard: called with each epoch before the next one begins; returns whether to go on, or None if `answer` tells later.
        answer: called until it returns whether to go on; other trials train meanwhile.
        on_batch: called after each piece with two numbers: the epoch's batches given to the device so far, and all its batches.
        ended: called at the end of the trial, with the error that ended it or with None.
        again: makes the work that continues the trial after memory ran out beside other trials; epochs may be told again.
        noted: called once with the reason why the trial is called and not replayed, after the epoch that showed the reason.
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
    """A lane, and the trial that it trains now."""

    lane: Lane
    work: Work | None = None
    turns: Iterator[Beat] | None = None
    is_alone: bool = False  # nothing else trains meanwhile, and nothing else has memory

    def begin(self, work: Work, is_alone: bool = False) -> None:
        self.work, self.turns, self.is_alone = work, turns(work, self.lane, is_alone), is_alone

    def turn(self) -> Beat | None:
        """Do the next piece of the trial's work; None when the trial has ended."""
        assert self.turns, "there is something on the lane"
        with self.lane.within():
            return next(self.turns, None)

    def clear(self) -> None:
        self.work, self.turns, self.is_alone = None, None, False


class Engine:
    """Trains the trials that `take` hands out, one on each lane.

    When memory runs out, the trial that asked for it is laid aside, and from then on half as many trials train at once. When
    no other trial is left, the trial is tried alone with all the memory. If memory runs out again, the trial ends by that
    error.
    """

    def __init__(self, lanes: Sequence[Lane], take: Callable[[], Work | None]) -> None:
        self.slots, self.most = [Slot(lane) for lane in lanes], len(lanes)
        self._take, self._aside = take, deque[Work]()

    @property
    def running(self) -> int:
        return sum(slot.turns is not None for slot in self.slots)

    def run(self) -> None:
        """Train until `take` has no more trials and all trials have ended.

        Raises:
            RuntimeError: the device does not work any more.
        """
        while self.round() or self.running or self._aside:
            pass

    def serve(self, is_over: Callable[[], bool]) -> None:
        """Train until `is_over` returns True, and wait while there is no trial to train.

        Raises:
            RuntimeError: the device does not work any more.
        """
        while not is_over():
            self.round()
            if not self.running:
                time.sleep(IDLE)

    def round(self) -> bool:
        """Give each lane a turn; return whether `take` may have more trials."""
        is_more, was_given = self._fill(), False
        for slot in self.slots:
            if slot.turns:
                was_given |= self._turn(slot)
        if self.running and not was_given:
            time.sleep(PAUSE)
        return is_more

    def _fill(self) -> bool:
        """Put trials on the free lanes; return whether `take` may have more trials."""
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
        """Begin a trial that was laid aside, after every lane has given its unused memory back."""
        for each in self.slots:
            each.lane.release()
        slot.begin(work, is_alone=True)

    def _turn(self, slot: Slot) -> bool:
        """Give one lane a turn; return whether the device was given work, or the lane came free."""
        try:
            beat = slot.turn()
        except Exception as error:
            self._failed(slot, error)
            return True
        if beat is None:
            slot.clear()
        return beat is not False

    def _failed(self, slot: Slot, error: Exception) -> None:
        """End a trial by its error, or lay the trial aside. An error of a broken device is raised again."""
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
    """Drop the local variables in an error's frames, which hold the memory of its trial; the traceback's lines stay."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def run(lanes: Sequence[Lane], take: Callable[[], Work | None]) -> None:
    """Train the trials that `take` hands out until all have ended. An error of a trial ends that trial alone."""
    Engine(lanes, take).run()


def turns(work: Work, lane: Lane, is_alone: bool = False) -> Iterator[Beat]:
    """Train one trial from its start to its end, piece by piece; tell each epoch before the next one begins."""
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
