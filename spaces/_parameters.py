"""The parameters of a space together: which of them apply, how they are drawn, how they are listed."""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spaces import _parts, _words
from spaces._ranges import Choice, Interval, Linked, When
from trainables.config import CHOICES, DEFAULTS, Config, Readers, check_value, complete, unknown, usual
from trainables.errors import SpaceError
from trainables.own.names import OF_RESULTS

MAX_GRID = 100_000  # points; more is a mistake, not a search
SIZE, MOST_SIZES = "image_size", 8
MOST = 100  # values of a range that are looked at one by one
RANGES = (Choice, Interval, When)
Range = Choice | Interval
Point = dict[str, Any]  # a value for each searched parameter that applies


class ParameterError(SpaceError):
    """Something is wrong with one parameter; its name helps to find the line."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Hyperparameters, each with a range, if it is searched, or a value, if it is fixed.

    Args:
        train: a training loop of the user, whose space then names its own hyperparameters.
        command: a training program of the user, whose space then names its own hyperparameters.

    Raises:
        SpaceError: a name, value or range that no search could use.
    """

    params: Mapping[str, Any]
    train: Callable[..., Any] | None = None
    command: Sequence[str] | None = None

    @property
    def is_own(self) -> bool:
        """Whether a loop or program of the user trains, and so the user names the hyperparameters."""
        return self.train is not None or self.command is not None

    def usual(self, key: str) -> Any:
        """The value of a hyperparameter that the space does not name; None for own training."""
        return None if self.is_own else usual(key)

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", self._named(self.params))
        for key, value in self.params.items():
            self._check_parameter(key, value)
        if not self.searched:
            raise SpaceError("nothing is searched: no parameter has a range.")
        if self.is_grid and self.combinations > MAX_GRID:
            raise SpaceError(f"the grid has {self.combinations} points; at most {MAX_GRID} are searched.")

    def _named(self, params: Mapping[str, Any]) -> dict[str, Any]:
        for key in params:
            try:
                _parts.as_names({key: params[key]})
                _parts.own_readers({key: params[key]})
            except SpaceError as error:
                raise ParameterError(key, str(error)) from None
        return _parts.as_names(params)

    @cached_property
    def own(self) -> Readers:
        """The knobs of the parts that are not built in."""
        return _parts.own_readers(self.params)

    @property
    def own_parts(self) -> list[tuple[str, str]]:
        """The parts that are not built in: the kind of each and its name."""
        return _parts.own_parts(self.params)

    def _check_parameter(self, key: str, value: Any) -> None:
        if key == "epochs":
            raise ParameterError(key, "epochs is no parameter of a space; write Space(..., epochs=20).")
        if reason := _words.instead(value):
            raise ParameterError(key, f"{key}: {reason}")
        try:
            for bound in value.bounds() if isinstance(value, RANGES) else (value,):
                check_own(key, bound) if self.is_own else check_value(key, bound, self.own)
            if isinstance(value, When):
                self._check_decider(value)
        except SpaceError as error:
            raise ParameterError(key, str(error)) from None

    def _check_decider(self, when: When) -> None:
        """Refuse a when() whose decider is unknown, is itself a when(), or cannot have the value of a case."""
        deciders = tuple(self.params) if self.is_own else tuple(CHOICES)
        if when.decider not in deciders:
            raise SpaceError(unknown("parameter that decides", when.decider, deciders))
        if isinstance(self.params.get(when.decider), When):
            raise SpaceError(f"{when.decider} decides, so it cannot itself be a when().")
        if not self.is_own:
            for value, _ in when.cases:
                check_value(when.decider, value)

    @property
    def searched(self) -> dict[str, Range | When]:
        """The parameters that have a range."""
        return {key: value for key, value in self.params.items() if isinstance(value, RANGES)}

    @property
    def constants(self) -> dict[str, Any]:
        """The parameters that are fixed."""
        return {key: value for key, value in self.params.items() if key not in self.searched}

    @property
    def free(self) -> dict[str, Range]:
        """The searched parameters that always apply."""
        return {key: value for key, value in self.searched.items() if not isinstance(value, When)}

    def ranges(self, chosen: Mapping[str, Any]) -> dict[str, Range]:
        """The range of every searched parameter that applies where these values are chosen, in order."""
        found = {key: self._case(value, chosen) for key, value in self.searched.items()}
        return {key: value for key, value in found.items() if isinstance(value, (Choice, Interval))}

    def _case(self, value: Any, chosen: Mapping[str, Any]) -> Any:
        """The range or value that applies to a parameter; for a when() that of the matching case, or None if no case matches."""
        if not isinstance(value, When):
            return value
        return dict(value.cases).get({**self.constants, **chosen}.get(value.decider, self.usual(value.decider)))

    def decides_all(self, when: When) -> bool:
        """Whether a when() has a case for each value that its decider may have."""
        decider = self.params.get(when.decider, self.usual(when.decider))
        values = decider.bounds() if isinstance(decider, RANGES) else (decider,)
        return set(values) <= set(dict(when.cases))

    def config(self, point: Mapping[str, Any]) -> Config:
        """The whole configuration of a point, with the default number of epochs.

        Raises:
            SpaceError: the point names a hyperparameter that its model does not read.
        """
        cases = {key: self._case(value, point) for key, value in self.searched.items() if isinstance(value, When)}
        fixed = {key: case for key, case in cases.items() if case is not None and not isinstance(case, RANGES)}
        config = {**self.constants, **fixed, **point}
        if not self.is_own:
            return complete(config)
        return {key: config[key] for key in self.params if key in config} | {"epochs": DEFAULTS["epochs"]}

    def check_combinations(self) -> None:
        """Refuse a space in which a part does not take a value that another parameter may have together with this part.

        Every combination of parameters whose values have names is tried. For own training nothing is checked.

        Raises:
            SpaceError: with the names and what is wrong with them.
        """
        if self.is_own:
            return  # only the user knows what goes together; see constraint
        groups = [members for members in by_axis(self.free) if not members.keys().isdisjoint(CHOICES)]
        named = {key: value for members in groups for key, value in members.items()}
        for chosen in merged(options(named)):
            applying = {key: value for key, value in self.ranges(chosen).items() if key not in chosen}
            lowest = {key: value.bounds()[0] for key, value in applying.items()}
            try:
                self.config({**lowest, **chosen})
                for key, value in applying.items():
                    for each in possible(value):
                        self.config({**lowest, **chosen, key: each})
            except SpaceError as error:
                names = "".join(f"with {key} {value!r}: " for key, value in chosen.items())
                raise SpaceError(f"{names}{error} Or write when(...), see docs/spaces.md.") from None

    @property
    def image_sizes(self) -> list[int]:
        """The sizes that the images of the space's configurations may have, ascending; images are decoded once for each size.

        Raises:
            SpaceError: the sizes cannot be listed, or there are more than MOST_SIZES.
        """
        given = self.params.get(SIZE, self.usual(SIZE))
        listed = given.listed() if isinstance(given, RANGES) else (given,)
        if listed is None or len(listed) > MOST_SIZES:
            raise SpaceError(
                f"{SIZE}: the images are decoded once for each size, so at most {MOST_SIZES} are searched, but got {given}. "
                f"Write choice(32, 64)."
            )
        others = (self.usual(SIZE),) if isinstance(given, When) and not self.decides_all(given) else ()
        return sorted({*listed, *others})

    @property
    def axes(self) -> list[str]:
        """The axes along which points are drawn, one number each; linked parameters share one axis."""
        return list(dict.fromkeys(axis(key, value) for key, value in self.searched.items()))

    def at(self, positions: Sequence[float]) -> Point:
        """The point at a position of the unit cube.

        Args:
            positions: one number of [0, 1) for each of `axes`.
        """
        place = dict(zip(self.axes, positions, strict=True))
        free = {key: value.at(place[axis(key, value)]) for key, value in self.free.items()}
        return {key: value.at(place[axis(key, value)]) for key, value in self.ranges(free).items()}

    @property
    def is_grid(self) -> bool:
        """Whether every range is a choice of a few values, so that all combinations are tried unless told otherwise."""
        return all(isinstance(value, Choice) for value in self._all_ranges)

    @property
    def is_listed(self) -> bool:
        """Whether all combinations can be listed; ranges of whole numbers or with steps can be listed, too."""
        return 0 < self.combinations <= MAX_GRID

    @property
    def _all_ranges(self) -> list[Range]:
        """Every range, the ranges in the cases of a when() included."""
        cases = [case for value in self.searched.values() if isinstance(value, When) for _, case in value.cases]
        return [*self.free.values(), *(case for case in cases if isinstance(case, (Choice, Interval)))]

    @cached_property
    def combinations(self) -> int:
        """An upper bound of the number of points of a grid; 0 if they cannot be listed."""
        sizes = [len(value.listed() or ()) for value in {axis(k, v): v for k, v in self.free.items()}.values()]
        for value in self.searched.values():
            if isinstance(value, When):
                cases = [len(case.listed() or ()) if isinstance(case, Range) else 1 for _, case in value.cases]
                sizes.append(max(cases) if all(cases) else 0)
        return math.prod(sizes)

    def combined(self) -> Iterator[Point]:
        """Every combination, the last parameter changing fastest; parameters with a when() change faster than the others."""
        for free in merged(options(self.free)):
            applying = self.ranges(free)
            for rest in merged(options({key: value for key, value in applying.items() if key not in free})):
                yield {key: {**free, **rest}[key] for key in applying}


def like(key: str) -> str:
    """A name for a hyperparameter that is like one that cannot be its name."""
    plain = re.sub(r"\W", "_", key.strip())
    found = plain if plain.isidentifier() else f"p_{plain}"
    return f"{found}_" if found == key else found


def check_own(key: str, value: Any) -> None:
    """Refuse a name or value that cannot be a hyperparameter of a user's own loop or program.

    Raises:
        SpaceError: the name is no valid one, or the value is no plain value.
    """
    if not key.isidentifier() or key in OF_RESULTS:
        raise SpaceError(f"{key!r} cannot be the name of a hyperparameter. Write another, such as {like(key)}.")
    is_number = type(value) in (int, float) and math.isfinite(value)
    if not (value is None or is_number or type(value) in (bool, str)):
        raise SpaceError(f"{key} must be a finite number, a text, True, False or None, but got {value!r}.")


def possible(range_: Range) -> Sequence[Any]:
    """All values of a range, or its ends if there are too many."""
    listed = range_.listed() or ()
    return listed if 0 < len(listed) <= MOST else range_.bounds()


def axis(key: str, value: Any) -> str:
    """The axis of a parameter: its own name, or the name of its group if it is linked."""
    return value.group if isinstance(value, Linked) else key


def by_axis(ranges: Mapping[str, Range]) -> list[dict[str, Range]]:
    """The parameters by their axes: linked parameters are in one dictionary, every other parameter in one of its own."""
    found: dict[str, dict[str, Range]] = {}
    for key, value in ranges.items():
        found.setdefault(axis(key, value), {})[key] = value
    return list(found.values())


def fits(members: Mapping[str, Range], point: Mapping[str, Any]) -> bool:
    """Whether a point has values inside these ranges, and if they are linked, values that belong together."""
    if not all(key in point and point[key] in value for key, value in members.items()):
        return False
    return len(members) == 1 or {key: point[key] for key in members} in rows(members)


def rows(members: Mapping[str, Range]) -> list[Point]:
    """The values of one parameter, or of linked parameters, as one point for each value or combination."""
    listed = (value.listed() or () for value in members.values())
    return [dict(zip(members, values, strict=True)) for values in zip(*listed, strict=True)]


def options(ranges: Mapping[str, Range]) -> list[list[Point]]:
    """For each axis, the values that its parameters may have."""
    return [rows(members) for members in by_axis(ranges)]


def merged(choices: Sequence[Sequence[Point]]) -> Iterator[Point]:
    """Every combination of one point from each list, the last list changing fastest."""
    for parts in itertools.product(*choices):
        yield {key: value for part in parts for key, value in part.items()}
