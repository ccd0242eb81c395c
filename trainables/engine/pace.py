"""Measures how fast trials train on their lanes: only training steps, after their pieces were captured and compared."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from trainables.engine.engine import PAUSE
from trainables.engine.lanes import Lane
from trainables.engine.pieces import Beat, Pieces, until
from trainables.engine.slots import AHEAD, chunks
from trainables.training.definition import Training
from trainables.training.loop import Course

WARM = 2  # pieces of each trial that are not counted
PATIENCE = 60.0  # seconds


@dataclass
class Running:
    """A trial that trains its first epoch again and again on a lane, without a validation.

    Attributes:
        done: pieces that were given to the device.
    """

    course: Course
    lane: Lane
    pieces: Pieces = field(init=False)
    turns: Iterator[Beat] = field(init=False)
    done: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)  # a copy of the weights, if the trial is to hold one

    def __post_init__(self) -> None:
        self.pieces = Pieces(self.course, self.lane)
        self.turns = endless(self.course, self.lane, self.pieces)

    @property
    def is_warm(self) -> bool:
        """Whether the trial has done WARM pieces, and has captured graphs or will never capture any."""
        return self.done >= WARM and bool(self.pieces.captured or self.pieces.eager or not self.lane.captures)

    @property
    def images(self) -> int:
        """Number of images in one piece of the training."""
        return sum(chunks(self.course.step.sizes)[0])


def begun(training: Training, lane: Lane) -> Running:
    """Begin a trial on a lane."""
    with lane.within():
        return Running(Course(training, keeps_weights=True), lane)


def endless(course: Course, lane: Lane, pieces: Pieces) -> Iterator[Beat]:
    """Train the first epoch again and again without end; only its full groups of steps."""
    groups = chunks(course.step.sizes)
    given: deque[Callable[[], bool]] = deque(maxlen=AHEAD)
    while True:
        course.step.begin(1)
        for _ in range(groups.count(groups[0])):
            if len(given) == AHEAD:
                yield from until(given[0])
            yield from pieces.train(groups[0], follows=course.average is not None)
            given.append(lane.mark())


def warm_up(running: Sequence[Running]) -> None:
    """Train until every trial is warm, see `Running.is_warm`.

    Raises:
        TimeoutError: a trial is not warm after PATIENCE seconds.
    """
    turn(running, lambda: all(each.is_warm for each in running))
    synchronise()


def rate(running: Sequence[Running], seconds: float) -> float:
    """Train warm trials for some seconds; return the images per second of all trials together.

    Raises:
        TimeoutError: the device hangs.
    """
    before, began = [each.done for each in running], time.perf_counter()
    turn(running, lambda: time.perf_counter() - began > seconds)
    synchronise()
    took = time.perf_counter() - began
    return sum((each.done - then) * each.images for each, then in zip(running, before, strict=True)) / took


def turn(running: Sequence[Running], is_over: Callable[[], bool]) -> None:
    """Let the trials take turns until `is_over` returns True.

    Raises:
        TimeoutError: `is_over` has not returned True after PATIENCE seconds.
    """
    latest = time.perf_counter() + PATIENCE
    while not is_over():
        was_given = False
        for each in running:
            with each.lane.within():
                beat = next(each.turns)
            was_given |= beat
            each.done += beat
        if not was_given:
            time.sleep(PAUSE)
        if time.perf_counter() > latest:
            raise TimeoutError(f"not over after {PATIENCE:g} s")


def synchronise() -> None:
    """Wait for the GPU, where one is used."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
