"""Warnings about a space: what is allowed, but probably not meant."""

import random
from typing import Any

from spaces._ranges import Choice, Interval, When
from spaces._space import Space
from trainables.seeds import derive

DECADES = 2  # from here on a range is one over several decades
RATES = ("lr", "adamw_lr", "weight_decay")  # act by their order of magnitude
DRAWS = 200  # points to estimate what the constraint rejects


def warnings(space: Space) -> list[str]:
    """One warning for each thing that is probably not meant."""
    found = [line for key, value in space.searched.items() for line in of_range(key, value)]
    if space.is_middle:
        point = ", ".join(f"{key}={value}" for key, value in space.baseline.items())
        found.insert(0, f"the space has no baseline: the middle of every range is tried first, {point}.")
    return found + [line for key in space.searched for line in unread(space, key)] + of_constraint(space)


def of_range(key: str, value: Any) -> list[str]:
    """Warn of a linear range over several decades, which hardly ever draws a small value."""
    if isinstance(value, When):
        return [line for _, case in value.cases for line in of_range(key, case)]
    if not isinstance(value, Interval) or value.log or not is_over_decades(key, value):
        return []
    share = (value.high - value.high / 10) / (value.high - value.low)
    name = "logintegers" if value.whole else "loguniform"
    return [
        f"{key}: {100 * share:.0f} % of {value} lie in its largest decade. Write {name}, which spreads over all decades."
    ]


def is_over_decades(key: str, value: Interval) -> bool:
    """Whether a range spans several decades; a range from 0 or below does only for a parameter of RATES."""
    return key in RATES if value.low <= 0 else value.high / value.low >= 10**DECADES


def unread(space: Space, key: str) -> list[str]:
    """Warn of a choice with one value, and of a case of a when() whose value the decider never has."""
    value = space.searched[key]
    if isinstance(value, Choice) and len(value.values) == 1:
        return [f"{key}: {value} is one value. Write {key}={value.values[0]} as a constant."]
    if not isinstance(value, When):
        return []
    decider = space.params.get(value.decider, space.usual(value.decider))
    possible = decider.values if isinstance(decider, Choice) else (decider,)
    never = [name for name, _ in value.cases if name not in possible]
    return [f"{key}: the {value.decider} is never {name}, so this case is never used." for name in never]


def of_constraint(space: Space) -> list[str]:
    """Warn of limits that reject more than half of the points: a range is too wide then."""
    if not space.is_limited:
        return []
    dice = random.Random(derive("lint"))
    points = [space.at([dice.random() for _ in space.axes]) for _ in range(DRAWS)]
    refused = sum(space.refusal(space.config(point)) is not None for point in points)
    if refused * 2 <= DRAWS:
        return []
    limits = [*(["constraint"] if space.constraint else []), *(["max_params"] if space.max_params else [])]
    what = f"{' and '.join(limits)} reject{'s' if len(limits) == 1 else ''}"
    return [f"{what} about {100 * refused / DRAWS:.0f} % of the points. Narrow the ranges."]
