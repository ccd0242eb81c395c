"""The interface of a search algorithm, and what several share: new points and random draws. Pure functions; no Ray."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from search.status import Status
from spaces import Point, Space
from trainables.errors import SpaceError
from trainables.objective import Objective
from trainables.seeds import derive
from trainables.written import plural

ATTEMPTS = 1000  # draws of one point before a space counts as used up
# Whether a point may be trained and was not drawn before; it counts as drawn from then on.
IsNew = Callable[[Point], bool]


class Algorithm:
    """Chooses the points of a search; a file of this folder has one as ALGORITHM.

    Attributes:
        libraries: packages whose versions decide which points are drawn; run.json records the versions.
    """

    libraries: ClassVar[tuple[str, ...]] = ()

    def size(self, space: Space, asked: int | None) -> int:
        """The number of points: what is asked for, or else the space's own number, at most the grid if it can be listed.

        Raises:
            SpaceError: the algorithm cannot draw from this space.
        """
        return asked or (min(space.samples, len(space.grid)) if space.is_listed else space.samples)


class Planned(Algorithm, ABC):
    """An algorithm whose points are known before the first trial starts: point i depends on space, seed and i alone."""

    @abstractmethod
    def points(self, space: Space, seed: int, first: int, is_new: IsNew) -> Iterator[Point]:
        """New points, one after another; `is_new` has accepted each of them.

        Args:
            first: index in the search of the first point.

        Raises:
            SpaceError: the algorithm cannot draw from this space, or there is no other point.
        """


@dataclass(frozen=True)
class Told:
    """The state of one earlier trial at the time when a point was drawn."""

    config: Mapping[str, Any]
    status: Status
    values: Sequence[float] = ()  # of each committed epoch of a trial that ended


class Adaptive(Algorithm, ABC):
    """An algorithm whose points depend on earlier trials' results; `suggest` is a function of its arguments alone."""

    @abstractmethod
    def suggest(self, space: Space, seed: int, index: int, told: Sequence[Told], objective: Objective) -> Point:
        """Point `index` of a search, given the state of all earlier trials: a new point that the space allows.

        Raises:
            SpaceError: the space has no other point.
        """


def first_new(space: Space, index: int, tries: Iterator[Point], is_new: IsNew) -> Point:
    """The first of `tries` that is new, or else a new point of the grid, if the space can be listed.

    Raises:
        SpaceError: no point is new.
    """
    point = next(filter(is_new, tries), None) or next(filter(is_new, space.grid), None)
    if point is None:
        if not space.is_listed:
            raise SpaceError(
                f"no point {index + 1} that the constraint allows was found in {ATTEMPTS} draws. Widen it, or ask for at most "
                f"--num-samples {index}."
            )
        limited = " that its constraint allows" if space.is_limited else ""
        raise SpaceError(
            f"the space has only {plural(index, 'different point')}{limited}. Ask for at most --num-samples {index}."
        )
    return point


def redraws(space: Space, seed: int, index: int) -> Iterator[Point]:
    """Random candidates for point `index`, in order; a candidate is used if no candidate before it is new."""
    for attempt in range(ATTEMPTS):
        dice = random.Random(derive(seed, "point", index, attempt))
        yield space.at([dice.random() for _ in space.axes])
