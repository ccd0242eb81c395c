"""Read the ranges of a space from their text in run.json, such as loguniform(1e-05, 0.01), for use in results.

A `when` has a range of its own for each case. It is never read as one list of all the values that were tried.
"""

import bisect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from search.run.ledger import Run
from trainables.config import KEYS, check_value
from trainables.errors import SpaceError

_INTERVAL = re.compile(r"(log)?(uniform|integers)\(([^,()]+), ([^,()]+)(?:, step=([^,()]+))?\)")
_CHOICE = re.compile(r"(?:choice|linked\[[^]]*\])\((.*)\)")
_WHEN = re.compile(r"when\(([^:()]+): (.*)\)")
_CASE = re.compile(r"([^=,\s()]+)=(\w+\([^()]*\)|[^,()]+)")  # mlp=choice(256, 512) or mlp=256
EDGE = 0.05  # of an interval at each end
MOST_LEVELS = 8  # numbers that have room one by one; of more, only the order counts


@dataclass(frozen=True)
class Range:
    """The values that a parameter could have: an interval, or a few values in `values` (text as in run.json)."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    values: tuple[str, ...] = ()
    step: float = 0.0  # 0 for any number between

    @property
    def is_wide(self) -> bool:
        """Whether the range has too many numbers to show each one."""
        if self.values:
            return len(self.numbers) > MOST_LEVELS
        return not (self.whole and self.high - self.low < MOST_LEVELS)

    def position(self, value: Any) -> float:
        """Where a number lies, from 0 to 1: in an interval on its scale, among the numbers of a choice by their order.

        A number outside of the range lies at the nearer end. Such numbers occur if the range was changed since.
        """
        if self.values:
            return min(1.0, bisect.bisect_left(self.numbers, float(value)) / max(1, len(self.numbers) - 1))
        inside = min(self.high, max(self.low, float(value)))
        low, high, own = (math.log(each) if self.log else each for each in (self.low, self.high, inside))
        return (own - low) / (high - low)

    def at(self, position: float) -> float:
        """The number at a position from 0 to 1; of a choice the nearest one."""
        if self.values:
            return self.numbers[round(position * (len(self.numbers) - 1))]
        if self.log:
            return math.exp(math.log(self.low) + position * (math.log(self.high) - math.log(self.low)))
        return self.low + position * (self.high - self.low)

    def below(self, value: float) -> str:
        """The part of an interval below a value, as --set wants it; empty if there is none."""
        return interval(replace(self, high=value)) if value > self.low else ""

    def above(self, value: float) -> str:
        """The part of an interval above a value, as --set wants it; empty if there is none."""
        return interval(replace(self, low=value)) if value < self.high else ""

    @cached_property
    def numbers(self) -> list[float]:
        """The values of a choice as sorted numbers; empty if some value is not a number."""
        try:
            return sorted(float(value) for value in self.values)
        except ValueError:
            return []


@dataclass(frozen=True)
class Searched:
    """The values that a parameter could have: one range, or one for each of some values of a deciding parameter.

    Attributes:
        cases: the range for each value of the deciding parameter, as text; {"": range} if no parameter decides.
        decider: the name of the deciding parameter; empty if no parameter decides.
    """

    cases: Mapping[str, Range]
    decider: str = ""

    def case(self, config: Mapping[Any, Any]) -> str:
        """The case that holds in a configuration. This case need not have a range."""
        return str(config.get(self.decider)) if self.decider else ""

    def of(self, config: Mapping[Any, Any]) -> Range | None:
        """The range that a configuration has its value from; None where the parameter is fixed or absent."""
        return self.cases.get(self.case(config))

    @property
    def whole(self) -> Range:
        """One range over all cases, for an axis: an interval if all are, logarithmic if all are."""
        own = list(self.cases.values())
        if any(each.values for each in own):
            return Range(values=tuple(dict.fromkeys(text for each in own for text in each.values)))
        low, high = min(each.low for each in own), max(each.high for each in own)
        return Range(low, high, log=all(each.log for each in own), whole=all(each.whole for each in own))


def searched(run: Run) -> dict[str, Searched]:
    """The ranges of each searched parameter, without parameters whose text cannot be read."""
    found = {key: parse_searched(str(text)) for key, text in run.identity.space_params.items()}
    return {key: each for key, each in found.items() if each}


def parse_searched(text: str) -> Searched | None:
    """The range or the cases of a parameter in run.json; None if the text cannot be read. A case of one value has no range."""
    when = _WHEN.fullmatch(text)
    if not when:
        own = parse(text)
        return Searched({"": own}) if own else None
    read = {value: parse(case) for value, case in _CASE.findall(when[2])}
    cases = {value: case for value, case in read.items() if case}
    return Searched(cases, when[1]) if cases else None


def tried(values: Sequence[Any]) -> Searched:
    """A substitute for a range that cannot be read: an interval over many numbers, else a choice of all values."""
    numbers = {float(value) for value in values if type(value) in (int, float)}
    if len(numbers) <= MOST_LEVELS or not all(type(value) in (int, float) for value in values):
        return Searched({"": Range(values=tuple(dict.fromkeys(map(str, values))))})
    low, high = min(numbers), max(numbers)
    return Searched({"": Range(low, high, log=low > 0 and high >= 10 * low)})


def parse(text: str) -> Range | None:
    """The range that a text stands for; None if the text is of another kind."""
    interval, choice = _INTERVAL.fullmatch(text), _CHOICE.fullmatch(text)
    if choice:
        return Range(values=tuple(choice[1].split(", ")))
    if not interval:
        return None
    try:
        low, high, step = float(interval[3]), float(interval[4]), float(interval[5] or 0)
    except ValueError:
        return None
    is_log = bool(interval[1])
    if not -math.inf < low < high < math.inf or (is_log and low <= 0):
        return None
    return Range(low, high, log=is_log, whole=interval[2] == "integers", step=step)


def edge(own: Range, value: Any) -> str:
    """lower or upper, if a value lies at that end of its range, else empty. A choice of two values has no ends."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    numbers = own.numbers
    if own.values:
        ends = {numbers[0]: "lower", numbers[-1]: "upper"} if len(numbers) > 2 else {}
        return ends.get(float(value), "")
    margin = 0.0 if own.whole and own.high - own.low < 1 / EDGE else EDGE
    position = own.position(value)
    return "lower" if position <= margin else "upper" if position >= 1 - margin else ""


def wider(key: str, own: Range, side: str) -> str:
    """A range that goes on beyond one end, as --set wants it; empty if no value beyond that end is allowed."""
    new = goes_on(key, own, side)
    if new == own:
        return ""
    return f"{key}=choice({', '.join(new.values)})" if new.values else f"{key}={interval(new)}"


def goes_on(key: str, own: Range, side: str) -> Range:
    """A range that goes on beyond one end; the unchanged range if no value beyond that end is allowed."""
    whole = own.whole or bool(own.values and all(number.is_integer() for number in own.numbers))
    new = text(beyond(own, side), whole)
    if not is_allowed(key, int(new) if whole else float(new), own):
        return own
    if own.values:
        return replace(own, values=(new, *own.values) if side == "lower" else (*own.values, new))
    return replace(own, low=float(new)) if side == "lower" else replace(own, high=float(new))


def is_allowed(key: str, value: float, own: Range) -> bool:
    """Whether a trial could use a value; a hyperparameter of the user's own code stays above zero if it always was."""
    if key.rpartition(".")[2] not in KEYS:
        return value > 0 or (own.numbers or [own.low])[0] <= 0
    try:
        check_value(key, value)
    except SpaceError:
        return False
    return True


def interval(own: Range) -> str:
    """An interval as --set wants it."""
    step = f", step={text(own.step, own.whole)}" if own.step else ""
    return f"{name(own)}({text(own.low, own.whole)}, {text(own.high, own.whole)}{step})"


def beyond(own: Range, side: str) -> float:
    """A value beyond one end of a range.

    For an interval on a logarithmic scale, the value is a decade further (a factor of 2 for whole numbers). For an interval on a
    linear scale it is half the range further (in whole steps, if the interval has steps), and for a choice one step.
    """
    numbers = own.numbers or [own.low, own.high]
    low, high = numbers[0], numbers[-1]
    if own.values and low > 0 and high / low >= 4:  # the steps of a choice that spans this much are factors
        return low * low / numbers[1] if side == "lower" else high * high / numbers[-2]
    if own.log:
        factor = 2 if own.whole else 10
        return low / factor if side == "lower" else high * factor
    step = (high - low) / (len(numbers) - 1 if own.values else 2)
    step = math.ceil(step / own.step - 1e-9) * own.step if own.step else step
    return round(low - step if side == "lower" else high + step, 12)  # or 0.1 - 0.1 might be 1e-17


def name(own: Range) -> str:
    """The name of an interval in a space, such as loguniform."""
    return f"{'log' if own.log else ''}{'integers' if own.whole else 'uniform'}"


def text(value: float, whole: bool) -> str:
    """A number as it is written in a command."""
    return str(round(value)) if whole else f"{float(f'{value:.4g}'):g}"
