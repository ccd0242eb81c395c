"""What a hyperparameter may be: a few values, or an interval. Plain frozen dataclasses; nothing here knows Ray.

Every range turns a number u from [0, 1) into a value, so that random and quasi-random draws share one definition.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

from trainables.errors import SpaceError


class Range(Protocol):
    """What all ranges can do."""

    def at(self, u: float) -> Any:
        """The value at position u of [0, 1)."""
        ...

    def __contains__(self, value: object) -> bool: ...

    def bounds(self) -> tuple[Any, ...]:
        """Values that must be valid for all values to be: the ends of an interval, or every choice."""
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

    def __str__(self) -> str:
        return f"choice({', '.join(map(str, self.values))})"


@dataclass(frozen=True)
class Interval:
    """Any number from low to high; on a logarithmic scale if `log`; whole numbers if `whole` (both ends included)."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        finite = all(isinstance(end, (int, float)) and math.isfinite(end) for end in (self.low, self.high))
        if not finite or not self.low < self.high:
            raise SpaceError(f"low < high must hold and both be finite, but got low={self.low!r}, high={self.high!r}.")
        if self.log and self.low <= 0:
            raise SpaceError(f"a logarithmic range must start above 0, but got low={self.low!r}.")
        if self.whole and not (type(self.low) is int and type(self.high) is int):
            raise SpaceError(f"both ends must be whole numbers, but got low={self.low!r}, high={self.high!r}.")

    def at(self, u: float) -> float | int:
        if self.whole:  # every whole number owns the interval from half below to half above it
            return min(self.high, max(self.low, round(self._between(self.low - 0.5, self.high + 0.5, u))))
        rounded = float(
            f"{self._between(self.low, self.high, u):.4g}"
        )  # four digits are enough to search, and fit a table
        return min(self.high, max(self.low, rounded))

    def _between(self, low: float, high: float, u: float) -> float:
        if self.log:
            return math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
        return low + u * (high - low)

    def __contains__(self, value: object) -> bool:
        is_number = type(value) is int if self.whole else type(value) in (int, float)
        return is_number and self.low <= value <= self.high  # type: ignore[operator]

    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    def __str__(self) -> str:
        name = ("log" if self.log else "") + ("integers" if self.whole else "uniform")
        return f"{name}({self.low:g}, {self.high:g})"


def choice(*values: Any) -> Choice:
    """One of the values."""
    return Choice(values)


def uniform(low: float, high: float) -> Interval:
    """A number between low and high."""
    return Interval(low, high)


def loguniform(low: float, high: float) -> Interval:
    """A number between low and high whose logarithm is uniform: each decade is equally likely."""
    return Interval(low, high, log=True)


def integers(low: int, high: int) -> Interval:
    """A whole number from low to high, both included."""
    return Interval(low, high, whole=True)
