"""What the plot of the learning curves shows, as plain values, so that an unchanged plot is not drawn again."""

from typing import Any, TypedDict

import numpy as np
import pandas as pd

from analysis.frame import valued
from analysis.frame.dataframe import Row, rows_of
from analysis.render.markdown import one_line, setting
from search.run.ledger import Run, Trial
from trainables import written
from trainables.objective import Objective

TOP = 6  # curves with a colour and a name
BEHIND = 150  # grey curves at most, evenly over the ranks: more of them is a grey area and a huge file
LONGEST = 100  # characters of a label


class Axis(TypedDict):
    """What is plotted upwards: its name, whether it is in per cent, and whether less is better."""

    name: str
    is_percent: bool
    is_less_better: bool


def axis_of(objective: Objective) -> Axis:
    return {
        "name": written.axis(objective),
        "is_percent": written.is_percent(objective),
        "is_less_better": objective.mode == "min",
    }


class Curve(TypedDict):
    """One trial: its name in the legend, how it ended, and (epoch, value as it is plotted) of each epoch."""

    label: str
    status: str
    points: list[tuple[int, float]]


class Curves(TypedDict):
    """The best trials, best first; the others; how many others there are, shown or not; and what is plotted."""

    top: list[Curve]
    others: list[Curve]
    number_of_others: int
    axis: Axis


def learning_curves(run: Run, ranked: pd.DataFrame, keys: list[str]) -> Curves:
    """The curves of all trials that have one; `keys` are the hyperparameters that the labels name."""
    trials = {trial.index: trial for trial in run.trials}
    rows = rows_of(ranked[ranked["epochs"] > 0])
    every = [(trials[row["index"]], row) for row in rows]
    others = every[TOP:]
    return {
        "top": [curve(trial, row, label(row, keys)) for trial, row in every[:TOP]],
        "others": [curve(trial, row) for trial, row in spread(others, BEHIND)],
        "number_of_others": len(others),
        "axis": axis_of(run.identity.objective),
    }


def curve(trial: Trial, row: Row, text: str = "") -> Curve:
    points = [(epoch, written.plotted(trial.objective, value)) for epoch, value in enumerate(trial.values, 1)]
    return {"label": text, "status": row["status"], "points": points}


def label(row: Row, keys: list[str]) -> str:
    """1 · 7f3a9c · 99.67 % · lr 5.0e-4."""
    known = ", ".join(f"{key} {setting(key, row[key])}" for key in keys if row[key] is not None)
    value = written.value(valued.own(row), valued.value(row))
    whole = one_line(f"{row['rank']} · {row['id']} · {value} · {known}")
    return whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"


def spread(rows: list[Any], most: int) -> list[Any]:
    """At most so many of the rows, evenly chosen, the first and the last among them."""
    if len(rows) <= most:
        return rows
    return [rows[place] for place in np.linspace(0, len(rows) - 1, most).round().astype(int)]
