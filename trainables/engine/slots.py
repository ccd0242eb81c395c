"""A trial in a slot: it gives its work to a lane piece by piece, so that other trials can take turns in between."""

from collections import deque
from collections.abc import Callable, Iterator

import torch

from trainables.engine.lanes import DRAWING, Lane
from trainables.engine.pieces import Beat, Pieces, until
from trainables.training.average import MOST
from trainables.training.loop import Course, Epoch

AHEAD = 16  # pieces that a lane is given before the first of them is done; this work lasts while another trial starts


def chunks(sizes: list[int]) -> list[tuple[int, ...]]:
    """The batch sizes of an epoch in groups; after each group the weight average moves, see `Average.after`."""
    every = min(MOST, len(sizes))
    return [tuple(sizes[first : first + every]) for first in range(0, len(sizes), every)]


def epochs(
    course: Course, lane: Lane, pieces: Pieces, on_batch: Callable[[int, int], None] | None = None
) -> Iterator[Beat | Epoch]:
    """Train the epochs that a trial has left, and yield each of them.

    Between two epochs a Beat is yielded after each piece of work: True if the lane was given work, False if the lane has to
    be waited for.

    Args:
        on_batch: called after each piece with two numbers: the epoch's batches given to the device so far, and all its batches.

    Raises:
        Diverged: see `train`.
    """
    result = torch.zeros(4, dtype=torch.float64, pin_memory=course.report.is_cuda)
    for epoch in course.left:
        with DRAWING:
            course.step.begin(epoch)
        yield from paced(course, lane, pieces, epoch, on_batch)
        if course.average and epoch == 1:
            course.average.start()
        yield from pieces.evaluate()
        result.copy_(course.report, non_blocking=True)
        yield from until(lane.mark())
        found = course.result(epoch, result)
        yield from until(lane.mark())  # another thread reads the copy of the best weights, on a stream of its own
        yield found


def paced(
    course: Course, lane: Lane, pieces: Pieces, epoch: int, on_batch: Callable[[int, int], None] | None
) -> Iterator[Beat]:
    """Train one epoch; at most AHEAD pieces that the device was given are not done yet."""
    given: deque[Callable[[], bool]] = deque(maxlen=AHEAD)
    done, batches = 0, len(course.step.sizes)
    groups = chunks(course.step.sizes)
    for sizes in groups:
        if len(given) == AHEAD:
            yield from until(given[0])
        yield from pieces.train(sizes, course.average is not None and epoch > 1, groups.count(sizes) == 1)
        given.append(lane.mark())
        done += len(sizes)
        if on_batch:
            on_batch(done, batches)
