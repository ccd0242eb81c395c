"""The value of each trial by epoch: the best by name, a sample of the rest."""

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from analysis.frame import valued
from analysis.frame.dataframe import Row, rows_of
from analysis.plots import style
from analysis.plots.values import Axis, axis_of, spread
from analysis.ranking.standing import Standing
from analysis.render.markdown import one_line, setting
from search.run.ledger import Run, Trial
from trainables import written
from trainables.written import count, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "{value} by epoch"
TOP = 6  # curves with a colour and a name
BEHIND = 150  # grey curves at most, evenly over the ranks: more of them is a grey area and a huge file
LONGEST = 100  # characters of a label
DASHES = ("solid", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (4, 1)), (0, (1, 1)))  # read without any colour


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


def picture(run: Run, where: Standing) -> Curves | None:
    """The curves of all trials that have one; labels name the searched hyperparameters."""
    trials = {trial.index: trial for trial in run.trials}
    rows = rows_of(where.trials[where.trials["epochs"] > 0])
    every = [(trials[row["index"]], row) for row in rows]
    others = every[TOP:]
    if not every:
        return None
    return {
        "top": [curve(trial, row, label(row, where.keys)) for trial, row in every[:TOP]],
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


def draw(picture: Curves) -> "Figure":
    """The best trials in colour, all others in grey, fainter if they were stopped."""
    lines = len(picture["top"]) + bool(picture["others"])
    figure = style.sheet(8, 3.8 + 0.19 * lines)
    axes = figure.add_subplot()
    for curve, colour, dashes in zip(picture["top"], style.COLOURS, DASHES, strict=False):
        draw_curve(axes, curve, colour, dashes, picture["axis"]["is_less_better"])
    draw_others(axes, picture["others"], picture["number_of_others"])
    longest = max(len(curve["points"]) for curve in picture["top"])
    axes.set_ylim(*limits(picture))
    axes.set_xlim(1 - 0.02 * longest, longest * 1.02)
    style.whole(axes.xaxis, min_n_ticks=1)
    style.frame(axes, "epoch", picture["axis"]["name"])
    figure.legend(loc="outside lower left", frameon=False, handlelength=3)  # where long labels have room
    return figure


def draw_curve(axes: "Axes", curve: Curve, colour: str, dashes: Any, is_less_better: bool) -> None:
    """One of the best, with a dot at its best epoch."""
    points = np.array(curve["points"])
    axes.plot(*points.T, color=colour, linestyle=dashes, linewidth=1.6, label=curve["label"], zorder=3)
    best = points[:, 1].argmin() if is_less_better else points[:, 1].argmax()
    axes.plot(*points[best], "o", color=colour, markersize=4, zorder=4)


def draw_others(axes: "Axes", others: list[Curve], number: int) -> None:
    """The trials that are not among the best, all in one collection; a dot where one was stopped."""
    from matplotlib.collections import LineCollection

    if not others:
        return
    shades = [(0.5, 0.5, 0.5, 0.55 if curve["status"] == "finished" else 0.3) for curve in others]
    axes.add_collection(LineCollection([curve["points"] for curve in others], colors=shades, linewidths=0.8, zorder=1))
    ends = [curve["points"][-1] for curve in others if curve["status"] == "stopped"]
    axes.plot(*np.reshape(ends, (-1, 2)).T, ".", color=style.GREY, alpha=0.6, markersize=3)
    shown = f", {count(len(others))} of them shown" if len(others) < number else ""
    text = f"{plural(number, 'other')}{shown}{'; a dot where one was stopped early' if ends else ''}"
    axes.plot([], [], color=style.GREY, alpha=0.6, linewidth=0.8, label=text)


def limits(curves: Curves) -> tuple[float, float]:
    """From the level of the best curves after a quarter of the way to their best, where the differences are.

    The whole of these curves where trials were stopped early: that is decided at their beginning.
    """
    whole = any(curve["status"] == "stopped" for curve in (*curves["top"], *curves["others"]))
    top = [np.array(curve["points"])[:, 1] for curve in curves["top"]]
    values = np.concatenate([points[0 if whole else len(points) // 4 :] for points in top])
    if not curves["axis"]["is_percent"]:
        margin = 0.06 * float(np.ptp(values)) or 0.01
        return values.min() - margin, values.max() + margin
    margin = max(0.5, 0.06 * float(np.ptp(values)))
    return max(0.0, values.min() - margin), min(100.0 + margin / 2, values.max() + margin)
