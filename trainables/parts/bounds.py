"""Limits of the values of a hyperparameter, written as in `depth: Annotated[int, between(1, 16)]`."""

import math
import re
from dataclasses import dataclass

from trainables.suggestions import suggestion

BOUNDED = re.compile(r"Annotated\[(\w+), \w+\([^)]*\)\]")  # a hint with limits, as it is written in a source


@dataclass(frozen=True)
class Bounds:
    """Values from `low` to `high`. `is_open` excludes `low` itself. With a step only low, low + step, ... are allowed."""

    low: float
    high: float = math.inf
    step: int | None = None
    is_open: bool = False

    def __contains__(self, value: float) -> bool:
        if not (math.isfinite(value) and self.low <= value <= self.high) or (self.is_open and value == self.low):
            return False
        return not self.step or (value - self.low) % self.step == 0

    def rule(self, is_whole: bool) -> str:
        """The rule for a value in words."""
        if self.step:
            first = (f"{self.low + place * self.step:g}" for place in range(3))
            return f"one of {', '.join(first)}, ..., {self.high:g}"
        if is_whole and math.isfinite(self.high):
            return f"an integer from {self.low:.0f} to {self.high:.0f}"
        kind = "an integer of " if is_whole else ""
        most = f" and at most {self.high:g}" if math.isfinite(self.high) else ""
        return f"{kind}{'above' if self.is_open else 'at least'} {self.low:g}{most}"

    def advice(self, value: float) -> str:
        """Advice to take the nearest allowed value, with a space before it; empty without a step."""
        if not self.step or not math.isfinite(value):
            return ""
        nearest = self.low + self.step * round((min(max(value, self.low), self.high) - self.low) / self.step)
        return f" Take {nearest:.0f}."


@dataclass(frozen=True)
class Among:
    """The limit of a hyperparameter that is one of a few texts."""

    texts: tuple[str, ...]

    def __contains__(self, value: str) -> bool:
        return value in self.texts

    def rule(self, is_whole: bool) -> str:
        """The rule for a value in words."""
        return f"one of {', '.join(self.texts)}"

    def advice(self, value: str) -> str:
        return suggestion(value, self.texts) if isinstance(value, str) else ""


Limit = Bounds | Among


def between(low: float, high: float, step: int | None = None) -> Bounds:
    """The limit of values from low to high, both included; with a step, of low, low + step, ..., high."""
    return Bounds(low, high, step)


def above(low: float, high: float = math.inf) -> Bounds:
    """The limit of values above low and up to high, high included."""
    return Bounds(low, high, is_open=True)


def among(*texts: str) -> Among:
    """The limit of values that are one of these texts."""
    return Among(texts)
