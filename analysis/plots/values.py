"""What plots have in common: which rows and parameters they show, and how values are laid out on an axis. Loads no matplotlib."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict, TypeVar

import numpy as np

from analysis.frame import valued
from analysis.frame.dataframe import Row, rows_of
from analysis.frame.ranges import Range, searched
from analysis.ranking.standing import Standing
from analysis.render.markdown import one_line
from search.run.ledger import Run
from trainables import written
from trainables.objective import Objective

MOST_POINTS, MOST_PARAMETERS = 1000, 9

T = TypeVar("T")


class Axis(TypedDict):
    """The vertical axis: its name, whether its values are in per cent, and whether less is better."""

    name: str
    is_percent: bool
    is_less_better: bool


def axis_of(objective: Objective) -> Axis:
    return {
        "name": written.axis(objective),
        "is_percent": written.is_percent(objective),
        "is_less_better": objective.mode == "min",
    }


class Scale(NamedTuple):
    """How the values of a parameter are laid out: as numbers, perhaps logarithmic, or as the places of levels."""

    log: bool
    levels: list[str]

    def place(self, value: Any) -> float:
        return self.levels.index(one_line(value)) if self.levels else value


def scale_of(own: Range | None, values: list[Any]) -> Scale:
    """How these values are laid out: as numbers, logarithmic where the range is, or as levels."""
    if not all(type(value) in (int, float) for value in values):
        return Scale(False, sorted({one_line(value) for value in values}))
    is_interval = own is not None and not own.values
    spans = bool(values) and min(values) > 0 and max(values) >= 10 * min(values)
    return Scale(own.log if own and is_interval else spans, [])


def whole_ranges(run: Run) -> dict[str, Range]:
    """The range of each searched parameter, over all cases of a parameter that depends on another."""
    return {key: own.whole for key, own in searched(run).items()}


def with_values(where: Standing) -> list[Row]:
    """The finished and stopped rows that have a value, best first."""
    board = where.board
    known = board["status"].isin(["finished", "stopped"]) & valued.values(board).notna()
    return rows_of(board[known])


def varied(rows: list[Row], keys: list[str]) -> list[str]:
    """The first MOST_PARAMETERS parameters with more than one value."""
    return [key for key in keys if any(repr(row[key]) != repr(rows[0][key]) for row in rows)][:MOST_PARAMETERS]


def spread(rows: Sequence[T], most: int) -> Sequence[T]:
    """At most `most` of the rows, evenly chosen, with the first and the last among them."""
    if len(rows) <= most:
        return rows
    return [rows[place] for place in np.linspace(0, len(rows) - 1, most).round().astype(int)]
