"""The ranges of a hyperparameter: a few values, an interval, values that change together, or cases of another parameter.

Plain frozen dataclasses; nothing here knows Ray or Optuna.

Every range turns a number u from [0, 1) into a value, so that random and quasi-random draws share one definition.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from spaces import _words
from trainables.config import canonical
from trainables.errors import SpaceError

MAX_LISTED = 100_000  # values of one range in a grid; more is a mistake, not a search


class Range(Protocol):
    """What all ranges can do."""

    def at(self, u: float) -> Any:
        """The value at position u of [0, 1)."""
        ...

    def __contains__(self, value: object) -> bool: ...

    def bounds(self) -> tuple[Any, ...]:
        """The values that decide whether all values are valid: the ends of an interval, or every choice."""
        ...

    def listed(self) -> tuple[Any, ...] | None:
        """Every value in order, for a grid; none if there are too many to list."""
        ...


@dataclass(frozen=True)
class Choice:
    """One of a few values, equally likely; in a grid, each of them."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise SpaceError("choice() is empty; it needs at least one value.")
        if len(set(self.values)) < len(self.values):
            raise SpaceError(f"{self} names a value twice.")

    def at(self, u: float) -> Any:
        return self.values[int(u * len(self.values))]

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def bounds(self) -> tuple[Any, ...]:
        return self.values

    def listed(self) -> tuple[Any, ...]:
        return self.values

    def __str__(self) -> str:
        return f"choice({', '.join(map(str, self.values))})"


@dataclass(frozen=True)
class Linked(Choice):
    """One of a few values, from the same place of its list as the other parameters of its group; a value may come twice."""

    group: str

    def __post_init__(self) -> None:
        if not self.values:
            raise SpaceError("linked() needs at least one value for each parameter.")

    def __str__(self) -> str:
        return f"linked[{self.group}]({', '.join(map(str, self.values))})"


@dataclass(frozen=True)
class Interval:
    """Any number from low to high; on a logarithmic scale if `log`; whole numbers if `whole` (both ends included).

    With a step only low, low + step, low + 2 step, ..., high.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        finite = all(isinstance(end, (int, float)) and math.isfinite(end) for end in (self.low, self.high))
        if not finite or not self.low < self.high:
            raise SpaceError(f"low < high must hold and both be finite, but got low={self.low!r}, high={self.high!r}.")
        if self.log and self.low <= 0:
            raise SpaceError(f"a logarithmic range must start above 0, but got low={self.low!r}.")
        if self.whole and not (type(self.low) is int and type(self.high) is int):
            raise SpaceError(f"both ends must be whole numbers, but got low={self.low!r}, high={self.high!r}.")
        if self.step is not None:
            self._check_step(self.step)

    def _check_step(self, step: float) -> None:
        if type(step) is not int and (self.whole or type(step) is not float or not math.isfinite(step)):
            raise SpaceError(f"step must be a {'whole ' if self.whole else ''}number, but got {step!r}.")
        if self.log:
            raise SpaceError("a logarithmic range has no step. List the values with choice(...).")
        steps = (self.high - self.low) / step if step > 0 else 0.0
        if not math.isfinite(steps) or round(steps) < 1:
            raise SpaceError(f"step must be above 0 and at most high - low, but got {step!r}.")
        if abs(steps - round(steps)) > 1e-6:
            raise SpaceError(
                f"step {step!r} does not lead from {self.low!r} to {self.high!r}. Change one of the three."
            )

    @property
    def steps(self) -> int | None:
        """The number of steps from low to high; None where any real number between them is allowed."""
        if self.whole and not self.log:
            return int((self.high - self.low) // (self.step or 1))
        return round((self.high - self.low) / self.step) if self.step else None

    def at(self, u: float) -> float | int:
        if self.step:
            return self.nth(min(self.steps or 0, int(u * ((self.steps or 0) + 1))))
        if self.whole:  # every whole number owns the interval from half below to half above it
            return min(self.high, max(self.low, round(self._between(self.low - 0.5, self.high + 0.5, u))))
        return self.rounded(self._between(self.low, self.high, u))

    def rounded(self, value: float) -> float:
        """The value with four digits, which are enough to search and fit a table; never beyond the ends."""
        return min(self.high, max(self.low, float(f"{value:.4g}")))

    def nth(self, steps: int) -> float | int:
        """The number that is `steps` steps above low, with ten digits, so that 3 x 0.1 is 0.3."""
        value = self.low + steps * (self.step or 1)
        return value if self.whole else max(self.low, min(self.high, float(f"{value:.10g}")))

    def _between(self, low: float, high: float, u: float) -> float:
        if self.log:
            return math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
        return low + u * (high - low)

    def __contains__(self, value: object) -> bool:
        is_number = type(value) is int if self.whole else type(value) in (int, float)
        return is_number and self.low <= value <= self.high and self._on_step(value)  # type: ignore[arg-type,operator]

    def _on_step(self, value: float) -> bool:
        return not self.step or math.isclose(value, self.nth(round((value - self.low) / self.step)), abs_tol=1e-12)

    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    def listed(self) -> tuple[float | int, ...] | None:
        if self.steps is None or self.steps > MAX_LISTED:
            return None
        return tuple(self.nth(number) for number in range(self.steps + 1))

    def __str__(self) -> str:
        name = ("log" if self.log else "") + ("integers" if self.whole else "uniform")
        step = f", step={self.step!r}" if self.step else ""
        return f"{name}({exact(self.low)}, {exact(self.high)}{step})"


def exact(number: float) -> str:
    """The shortest common way to write a number from which it can be read back."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


@dataclass(frozen=True)
class When:
    """A range or value for each of some values of another parameter, the decider.

    If the decider has any other value, the parameter has the default of trainables.config, or is left out if the model does not
    read it.
    """

    decider: str
    cases: tuple[tuple[str, Any], ...]  # value of the decider, and the range or constant that then holds

    def __post_init__(self) -> None:
        if not self.cases:
            raise SpaceError(f"when({self.decider!r}) has no case; write when({self.decider!r}, value=range).")
        if any(isinstance(case, (When, Linked)) for _, case in self.cases):
            raise SpaceError(f"when({self.decider!r}) holds ranges and values, neither another when() nor linked().")

    def bounds(self) -> tuple[Any, ...]:
        cases = (case.bounds() if isinstance(case, (Choice, Interval)) else (case,) for _, case in self.cases)
        return tuple(bound for bounds in cases for bound in bounds)

    def listed(self) -> tuple[Any, ...] | None:
        cases = [case.listed() if isinstance(case, (Choice, Interval)) else (case,) for _, case in self.cases]
        return None if None in cases else tuple(value for case in cases for value in case or ())

    def __contains__(self, value: object) -> bool:
        return any(value in case if isinstance(case, (Choice, Interval)) else value == case for _, case in self.cases)

    def __str__(self) -> str:
        return f"when({self.decider}: {', '.join(f'{value}={case}' for value, case in self.cases)})"


def canonical_range(value: Any) -> Any:
    """The range or value with one spelling for each number."""
    if isinstance(value, When):
        return replace(value, cases=tuple((name, canonical_range(case)) for name, case in value.cases))
    if isinstance(value, Choice):
        return replace(value, values=tuple(map(canonical, value.values)))
    return replace(value, step=canonical(value.step)) if isinstance(value, Interval) else canonical(value)


def choice(*values: Any) -> Choice:
    """One of the values.

    Raises:
        SpaceError: no value, a value that comes twice, or a list in the place of the values.
    """
    if len(values) == 1 and isinstance(values[0], list | tuple | set):
        raise SpaceError(f"choice({values[0]!r}) has a list in it. Write {_words.listed(values[0])}.")
    if unfit := [value for value in values if isinstance(value, list | dict | set)]:
        raise SpaceError(f"choice() cannot have {unfit[0]!r}: values are numbers, texts, True, False, None or parts.")
    return Choice(values)


def linked(**columns: Sequence[Any]) -> dict[str, Linked]:
    """Parameters that change together: values at the same place belong together. Write **linked(...) in the parameters.

    Raises:
        SpaceError: fewer than two parameters, lists of different lengths, or a combination that comes twice.
    """
    if len(columns) < 2 or len({len(values) for values in columns.values()}) != 1:
        raise SpaceError("linked() needs two or more parameters with equally many values each.")
    if len(set(zip(*columns.values(), strict=True))) < len(next(iter(columns.values()))):
        raise SpaceError("linked() names a combination twice.")
    return {key: Linked(tuple(values), "+".join(columns)) for key, values in columns.items()}


def when(decider: str, /, **cases: Any) -> When:
    """A range that depends on another parameter: when("model", mlp=choice(256, 512), convnet=choice(16, 32))."""
    return When(decider, tuple(cases.items()))


def uniform(low: float, high: float, step: float | None = None) -> Interval:
    """A number between low and high; with a step, one of low, low + step, ..., high."""
    return Interval(low, high, step=step)


def loguniform(low: float, high: float) -> Interval:
    """A number between low and high whose logarithm is uniform: each whole decade between them is equally likely."""
    return Interval(low, high, log=True)


def integers(low: int, high: int, step: int | None = None) -> Interval:
    """A whole number from low to high, both included; with a step, one of low, low + step, ..., high."""
    return Interval(low, high, whole=True, step=step)


def logintegers(low: int, high: int) -> Interval:
    """A whole number from low to high, both included; each has the logarithmic scale from half below to half above it.

    Among large numbers each doubling is about equally likely. The smallest numbers are more likely: in logintegers(1, 16), 1
    has 31 %, 2 and 3 have 24 %, 4 to 7 have 22 %, 8 to 15 have 21 %, and 16 has 2 %.
    """
    return Interval(low, high, log=True, whole=True)
