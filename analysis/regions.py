"""Where trials diverged: the values of one parameter that all of them had, and few others."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.frame import Row, rows_of
from analysis.markdown import escape, setting
from analysis.ranges import Range, Searched, searched
from search.ledger import Run

PURE = 0.5  # share of diverged trials in a region that deserves its name


class Region(NamedTuple):
    """Values of one parameter.

    Attributes:
        purity: share of the trials there that diverged.
        words: lr ≥ 5.0e-2.
        change: the rest of the range as --set wants it, KEY=VALUE; empty if there is none, or --set cannot say it.
        is_conditional: whether the range depends on another parameter.
    """

    purity: float
    words: str
    change: str
    is_conditional: bool


def region(run: Run, trials: pd.DataFrame) -> Region | None:
    """The purest region that holds all diverged trials; none if it holds more others than those, or all others."""
    bad = rows_of(trials[trials["status"] == "diverged"])
    good = rows_of(trials[(trials["status"] != "diverged") & (trials["epochs"] > 0)])
    known = {key: own for key, own in searched(run).items() if key in trials}
    every = [found for key, own in known.items() for found in regions(key, own, bad, good)]
    best = max(every, key=lambda each: each.purity, default=None)
    return best if best and best.purity >= PURE else None


def regions(key: str, own: Searched, bad: Sequence[Row], good: Sequence[Row]) -> Iterator[Region]:
    """Those of one parameter; of one with cases also those within the case that all diverged trials share."""
    if not own.decider:
        yield from parts(key, own.cases[""], bad, good)
        return
    yield from parts(key, None, bad, good)
    held = {own.case(row) for row in bad}
    if len(held) == 1:
        (case,) = held
        with_case = [row if own.case(row) == case else row | {key: None} for row in good]
        for found in parts(key, None, bad, with_case):
            yield found._replace(words=f"{found.words} and {escape(own.decider)} {escape(case)}")


def parts(key: str, own: Range | None, bad: Sequence[Row], good: Sequence[Row]) -> Iterator[Region]:
    """The values from the smallest or up to the largest one that diverged, or the one name that did; `own` is free to change."""
    values = [row[key] for row in bad]
    if not values or None in values:
        return
    if not all(type(value) in (int, float) for value in values):
        bounds = [("", values[0])] if len(set(map(str, values))) == 1 else []
    else:
        bounds = [("≥ ", min(values)), ("≤ ", max(values))]
    for sign, bound in bounds:
        inside = sum(lies(row[key], sign, bound) for row in good)
        if inside < len(good):
            words = f"{escape(key)} {sign}{setting(key, bound)}"
            left = rest(key, own, sign, bound) if own else ""
            yield Region(len(bad) / (len(bad) + inside), words, left, own is None)


def lies(value: Any, sign: str, bound: Any) -> bool:
    """Whether a value lies there; an absent one does not."""
    if value is None or not sign:
        return bool(value is not None and str(value) == str(bound))
    return bool(value >= bound if sign == "≥ " else value <= bound)


def rest(key: str, own: Range, sign: str, bound: Any) -> str:
    """What is left of a range outside of the region, as --set wants it; nothing if that is empty."""
    if not own.values:
        left = own.below(bound) if sign == "≥ " else own.above(bound)
        return f"{key}={left}" if left else ""
    kept = [text for text in own.values if not lies(float(text) if sign else text, sign, bound)]
    return f"{key}={kept[0] if len(kept) == 1 else 'choice(' + ', '.join(kept) + ')'}" if kept else ""
