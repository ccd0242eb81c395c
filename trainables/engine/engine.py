"""Trials that take turns: as many as there are lanes, each a real trial with the rows of `train`."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainables.engine import slots
from trainables.engine.lanes import Lane
from trainables.engine.pieces import Beat, Pieces
from trainables.training.definition import Training
from trainables.training.loop import Course, Epoch

PAUSE = 5e-5  # seconds, when every lane has enough to do


@dataclass(frozen=True, kw_only=True)
class Work:
    """A trial, and who wants to know of it.

    Attributes:
        heard: told of each epoch before the next one begins; whether to go on.
        ended: told at the end, with the error if that was one.
        noted: told why the trial is not replayed but called.
        state, known: see `train`.
    """

    training: Training
    heard: Callable[[Epoch], bool]
    ended: Callable[[Exception | None], None] = lambda error: None
    noted: Callable[[str], None] = lambda why: None
    state: Mapping[str, Any] | None = None
    known: Mapping[int, float] | None = None


def run(lanes: Sequence[Lane], take: Callable[[], Work | None]) -> None:
    """Train what `take` hands out, a trial on each lane, until there is nothing more and all have ended.

    An error of a trial ends that trial, and its Work is told.
    """
    running: list[Iterator[Beat] | None] = [None] * len(lanes)
    is_more = True
    while True:
        was_given = False
        for place, lane in enumerate(lanes):
            if running[place] is None and is_more:
                work = take()
                is_more = work is not None
                running[place] = turns(work, lane) if work else None
            if current := running[place]:
                with lane.within():
                    beat = next(current, None)
                was_given |= beat is not False
                running[place] = current if beat is not None else None
        if not is_more and not any(running):
            return
        if not was_given:
            time.sleep(PAUSE)


def turns(work: Work, lane: Lane) -> Iterator[Beat]:
    """One trial, from its start to its end."""
    error: Exception | None = None
    try:
        yield from trained(work, lane)
    except Exception as found:
        error = found
    work.ended(error)


def trained(work: Work, lane: Lane) -> Iterator[Beat]:
    """Its epochs, each told before the next one begins."""
    course = Course(work.training, work.state, work.known, keeps_weights=True)
    pieces, was_noted = Pieces(course, lane), False
    for beat in slots.epochs(course, lane, pieces):
        if not isinstance(beat, Epoch):
            yield beat
        elif not work.heard(beat):
            return
        if pieces.eager and not was_noted:
            was_noted = True
            work.noted(pieces.eager)
