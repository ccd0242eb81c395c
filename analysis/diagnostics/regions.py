"""Find where trials diverged: values of one parameter that most diverged trials had and few other trials had."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.frame.dataframe import Row, rows_of
from analysis.frame.ranges import Range, Searched, goes_on, searched
from analysis.render.markdown import setting
from search.run.ledger import Run

PURE = 0.5  # at least this share of the trials in a region diverged
FEW = 0.5  # at most this share of the other trials lies in a region
LITTLE = 1 / 3  # of a range: if less than this is left outside a region, the range is extended
MOST = 0.8  # at least this share of the diverged trials lies in a region


class Region(NamedTuple):
    """A region of the values of one parameter.

    Attributes:
        purity: the share of diverged trials among the trials in the region.
        words: the region in words, such as lr ≥ 5.0e-2.
        change: the range outside of the region, written for --set as KEY=VALUE; empty if no range is left or --set cannot
            express it.
        is_conditional: whether the range depends on another parameter.
        held: how many of the diverged trials lie in the region.
    """

    purity: float
    words: str
    change: str
    is_conditional: bool
    held: int


def region(run: Run, trials: pd.DataFrame) -> Region | None:
    """Find the region that best separates diverged trials from the others (F1); None if no region has purity PURE."""
    bad = rows_of(trials[trials["status"] == "diverged"])
    good = rows_of(trials[(trials["status"] != "diverged") & (trials["epochs"] > 0)])
    known = {key: own for key, own in searched(run).items() if key in trials}
    every = [found for key, own in known.items() for found in regions(key, own, bad, good)]
    pure = [each for each in every if each.purity >= PURE]
    return max(pure, key=lambda each: each.held / (len(bad) + each.held / each.purity), default=None)


def regions(key: str, own: Searched, bad: Sequence[Row], good: Sequence[Row]) -> Iterator[Region]:
    """Yield the regions of one parameter, and of the case with the most diverged trials where its range has cases."""
    if not own.decider:
        yield from parts(key, own.cases[""], bad, good)
        return
    yield from parts(key, None, bad, good)
    case = Counter(sorted(map(own.case, bad))).most_common(1)[0][0]
    within = [[row if own.case(row) == case else row | {key: None} for row in rows] for rows in (bad, good)]
    for found in parts(key, None, *within):
        yield found._replace(words=f"{found.words} and {own.decider} {case}")


def parts(key: str, own: Range | None, bad: Sequence[Row], good: Sequence[Row]) -> Iterator[Region]:
    """Yield the regions of one parameter that hold enough diverged trials and few enough others.

    Args:
        own: the range of the parameter, from which the region's `change` is made; None if the range depends on another
            parameter.
    """
    lost, sound = ([row[key] for row in rows if row[key] is not None] for rows in (bad, good))
    for sign, bound, held, inside in candidates(lost, sound):
        if held >= MOST * len(bad) and inside <= FEW * len(good) and inside < len(good):
            words = f"{key} {sign}{setting(key, bound)}"
            left = rest(key, own, sign, bound) if own else ""
            yield Region(held / (held + inside), words, left, own is None, held)


def candidates(lost: Sequence[Any], sound: Sequence[Any]) -> Iterator[tuple[str, Any, int, int]]:
    """Yield possible regions as (sign, bound, number of diverged values inside, number of other values inside).

    For numbers, each diverged value is a bound upwards and downwards. For names, the only region is the name that most diverged
    trials had, with an empty sign.
    """
    if all(type(value) in (int, float) for value in (*lost, *sound)):
        lost, sound = sorted(lost), sorted(sound)
        for bound in dict.fromkeys(lost):
            yield "≥ ", bound, len(lost) - bisect_left(lost, bound), len(sound) - bisect_left(sound, bound)
            yield "≤ ", bound, bisect_right(lost, bound), bisect_right(sound, bound)
    elif lost:
        (name, held), *_ = Counter(sorted(map(str, lost))).most_common(1)
        yield "", name, held, sum(str(value) == name for value in sound)


def lies(value: Any, sign: str, bound: Any) -> bool:
    """Whether a value lies in the region of this sign and bound; an absent value does not."""
    if value is None or not sign:
        return bool(value is not None and str(value) == str(bound))
    return bool(value >= bound if sign == "≥ " else value <= bound)


def rest(key: str, own: Range, sign: str, bound: Any) -> str:
    """The range outside of the region, written for --set as KEY=VALUE; empty text if no range is left.

    If less than LITTLE of an interval is left, the new range also extends beyond the old end where values are allowed.
    """
    if not own.values:
        side, left = ("lower", own.position(bound)) if sign == "≥ " else ("upper", 1 - own.position(bound))
        own = goes_on(key, own, side) if left < LITTLE else own
        kept = own.below(bound) if sign == "≥ " else own.above(bound)
        return f"{key}={kept}" if kept else ""
    others = [text for text in own.values if not lies(float(text) if sign else text, sign, bound)]
    return f"{key}={others[0] if len(others) == 1 else 'choice(' + ', '.join(others) + ')'}" if others else ""
