"""Random points, each by its own dice."""

import itertools
from collections.abc import Iterator

from search.algorithms.base import IsNew, first_new, redraws
from spaces import Point, Space


def sample(space: Space, seed: int, first: int, is_new: IsNew) -> Iterator[Point]:
    """Random points, each by its own dice; what was drawn before is drawn again."""
    for index in itertools.count(first):
        yield first_new(space, index, redraws(space, seed, index), is_new)
