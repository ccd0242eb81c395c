"""Random points; each point has a random generator of its own."""

import itertools
from collections.abc import Iterator

from search.algorithms.base import IsNew, Planned, first_new, redraws
from spaces import Point, Space


class Random(Planned):
    def points(self, space: Space, seed: int, first: int, is_new: IsNew) -> Iterator[Point]:
        for index in itertools.count(first):
            yield first_new(space, index, redraws(space, seed, index), is_new)


ALGORITHM = Random()
