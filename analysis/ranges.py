"""The ranges of a space as run.json has them, loguniform(1e-05, 0.01): read back, so that results can speak of their edges."""

import math
import re
from dataclasses import dataclass
from typing import Any

from search.ledger import Run
from trainables.config import check_value
from trainables.errors import SpaceError

_INTERVAL = re.compile(r"(log)?(uniform|integers)\(([^,()]+), ([^,()]+)(?:, step=([^,()]+))?\)")
_CHOICE = re.compile(r"(?:choice|linked\[[^]]*\])\((.*)\)")
EDGE = 0.05  # of an interval at each end


@dataclass(frozen=True)
class Range:
    """What a parameter could be: an interval, or a few values in `values` (text as in run.json)."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    values: tuple[str, ...] = ()

    def position(self, value: Any) -> float:
        """Where a number lies in an interval, from 0 to 1."""
        low, high, own = (math.log(each) if self.log else each for each in (self.low, self.high, float(value)))
        return (own - low) / (high - low)

    def at(self, position: float) -> float:
        """The number at a position from 0 to 1."""
        if self.log:
            return math.exp(math.log(self.low) + position * (math.log(self.high) - math.log(self.low)))
        return self.low + position * (self.high - self.low)

    def below(self, value: float) -> str:
        """The part of an interval below a value, as --set wants it; nothing if there is none."""
        return f"{name(self)}({text(self.low, self.whole)}, {text(value, self.whole)})" if value > self.low else ""

    def above(self, value: float) -> str:
        """The part of an interval above a value, as --set wants it; nothing if there is none."""
        return f"{name(self)}({text(value, self.whole)}, {text(self.high, self.whole)})" if value < self.high else ""

    def numbers(self) -> list[float]:
        """The values of a choice as numbers in order; empty if they are none."""
        try:
            return sorted(float(value) for value in self.values)
        except ValueError:
            return []


def ranges(run: Run) -> dict[str, Range]:
    """The range of each searched parameter that can be read; conditional ones are left out."""
    found = {key: parse(str(text)) for key, text in run.identity["space_params"].items()}
    return {key: each for key, each in found.items() if each}


def parse(text: str) -> Range | None:
    """The range that this text stands for; none if it is of another kind."""
    interval, choice = _INTERVAL.fullmatch(text), _CHOICE.fullmatch(text)
    if choice:
        return Range(values=tuple(choice[1].split(", ")))
    if not interval:
        return None
    try:
        low, high = float(interval[3]), float(interval[4])
    except ValueError:
        return None
    return Range(low, high, log=bool(interval[1]), whole=interval[2] == "integers") if low < high else None


def edge(own: Range, value: Any) -> str:
    """lower or upper, if a value lies at an end of its range, else nothing. Of two values each is at an end: nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    numbers = own.numbers()
    if own.values:
        ends = {numbers[0]: "lower", numbers[-1]: "upper"} if len(numbers) > 2 else {}
        return ends.get(float(value), "")
    margin = 0.0 if own.whole and own.high - own.low < 1 / EDGE else EDGE
    position = own.position(value)
    return "lower" if position <= margin else "upper" if position >= 1 - margin else ""


def wider(key: str, own: Range, side: str) -> str:
    """The range that goes on beyond this end, as --set wants it; nothing where no value beyond is allowed."""
    whole = own.whole or bool(own.values and all(number.is_integer() for number in own.numbers()))
    new = text(beyond(own, side), whole)
    try:
        check_value(key, int(new) if whole else float(new))
    except SpaceError:
        return ""
    if own.values:
        values = [new, *own.values] if side == "lower" else [*own.values, new]
        return f"{key}=choice({', '.join(values)})"
    low, high = (new, text(own.high, whole)) if side == "lower" else (text(own.low, whole), new)
    return f"{key}={name(own)}({low}, {high})"


def beyond(own: Range, side: str) -> float:
    """A value beyond an end: a decade on a logarithmic scale, half the range on a linear one, one step of a choice."""
    numbers = own.numbers() or [own.low, own.high]
    low, high = numbers[0], numbers[-1]
    if own.values and low > 0 and high / low >= 4:  # the steps of a choice that spans this much are factors
        return low * low / numbers[1] if side == "lower" else high * high / numbers[-2]
    if own.log:
        factor = 2 if own.whole else 10
        return low / factor if side == "lower" else high * factor
    step = (high - low) / (len(numbers) - 1 if own.values else 2)
    return low - step if side == "lower" else high + step


def name(own: Range) -> str:
    """loguniform."""
    return f"{'log' if own.log else ''}{'integers' if own.whole else 'uniform'}"


def text(value: float, whole: bool) -> str:
    """A number as it is written in a command."""
    return str(round(value)) if whole else f"{float(f'{value:.4g}'):g}"
