"""What the plot of the learning curves shows, as plain values, so that an unchanged plot is not drawn again."""

from typing import Any, TypedDict

import numpy as np
import pandas as pd

from analysis.frame import Row, rows_of
from analysis.markdown import one_line, percent, setting
from search.ledger import Run, Trial

TOP = 6  # curves with a colour and a name
BEHIND = 150  # grey curves at most, evenly over the ranks: more of them is a grey area and a huge file
LONGEST = 100  # characters of a label


class Curve(TypedDict):
    """One trial: its name in the legend, how it ended, and (epoch, validation accuracy in percent) of each epoch."""

    label: str
    status: str
    points: list[tuple[int, float]]


class Curves(TypedDict):
    """The best trials, best first; the others; and how many others there are, shown or not."""

    top: list[Curve]
    others: list[Curve]
    number_of_others: int


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
    }


def curve(trial: Trial, row: Row, text: str = "") -> Curve:
    points = [(epoch["epoch"], 100 * epoch["val_accuracy"]) for epoch in trial.epochs]
    return {"label": text, "status": row["status"], "points": points}


def label(row: Row, keys: list[str]) -> str:
    """1 · 7f3a9c · 99.67 % · lr 5.0e-4."""
    known = ", ".join(f"{key} {setting(key, row[key])}" for key in keys if row[key] is not None)
    whole = one_line(f"{row['rank']} · {row['id']} · {percent(row['val_accuracy'])} % · {known}")
    return whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"


def spread(rows: list[Any], most: int) -> list[Any]:
    """At most so many of the rows, evenly chosen, the first and the last among them."""
    if len(rows) <= most:
        return rows
    return [rows[place] for place in np.linspace(0, len(rows) - 1, most).round().astype(int)]
