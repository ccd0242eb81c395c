"""What algorithms share: a point that is new, and the dice of a point."""

import random
from collections.abc import Callable, Iterator

from spaces import Point, Space
from trainables.errors import SpaceError
from trainables.seeds import derive

ATTEMPTS = 1000  # draws of one point before a space counts as used up
IsNew = Callable[[Point], bool]


def first_new(space: Space, index: int, tries: Iterator[Point], is_new: IsNew) -> Point:
    """The first of these points that is new, else any that is left in a space that can be listed.

    Raises:
        SpaceError: there is none.
    """
    point = next(filter(is_new, tries), None) or next(filter(is_new, space.grid), None)
    if point is None:
        limited = " that its constraint allows" if space.is_limited else ""
        raise SpaceError(
            f"the space has only {index} different points{limited}. Ask for at most --num-samples {index}."
        )
    return point


def redraws(space: Space, seed: int, index: int) -> Iterator[Point]:
    """Point `index`, and what takes its place if it was drawn before."""
    for attempt in range(ATTEMPTS):
        dice = random.Random(derive(seed, "point", index, attempt))
        yield space.at([dice.random() for _ in space.axes])
