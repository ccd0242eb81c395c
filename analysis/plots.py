"""Plots of a run as SVG: the same frame gives the same bytes, readable on white and on black."""

import io
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.frame import Row, rows_of
from analysis.markdown import one_line, percent, plural, setting
from search.ledger import Run, Trial

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
)  # Okabe and Ito's, which the colour-blind tell apart
DASHES = ("solid", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (4, 1)), (0, (1, 1)))  # and without any colour
GREY = "#808080"  # seen on white and on black
BEHIND = 150  # grey curves at most, evenly over the ranks: more of them is a grey area and a huge file
LONGEST = 100  # characters of a label

STYLE: dict[str, Any] = {
    "svg.hashsalt": "learning curves",
    "svg.fonttype": "path",
    "font.size": 9,
    "font.family": "DejaVu Sans",
}
STYLE |= {"text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY, "xtick.color": GREY, "ytick.color": GREY}


def learning_curves(run: Run, ranked: pd.DataFrame, keys: list[str]) -> bytes:
    """Validation accuracy by epoch: the best trials in colour, all others in grey, fainter if they were stopped.

    `keys` are the hyperparameters that the labels name.
    """
    trials = {trial.index: trial for trial in run.trials}
    rows = rows_of(ranked[ranked["epochs"] > 0])
    top, rest = rows[: len(COLOURS)], rows[len(COLOURS) :]
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
        figure = Figure(figsize=(8, 3.8 + 0.19 * (len(top) + bool(rest))), layout="constrained")
        axes = figure.add_subplot()
        for row, colour, dashes in zip(top, COLOURS, DASHES, strict=False):
            draw_curve(axes, trials[row["index"]], label(row, keys), colour, dashes)
        draw_behind(axes, [(trials[row["index"]], row["status"]) for row in spread(rest, BEHIND)])
        frame_axes(axes, [trials[row["index"]] for row in top], whole="stopped" in set(ranked["status"]))
        add_legend(figure)
        return as_svg(figure)


def curve(trial: Trial) -> np.ndarray:
    """Points (epochs, 2): epoch and validation accuracy in percent."""
    return np.array([(row["epoch"], 100 * row["val_accuracy"]) for row in trial.epochs], float)


def draw_behind(axes: Axes, others: list[tuple[Trial, str]]) -> None:
    """The trials that are not among the best, all in one collection; a dot where one was stopped."""
    shades = [(0.5, 0.5, 0.5, 0.55 if status == "finished" else 0.3) for _, status in others]
    axes.add_collection(LineCollection([curve(trial) for trial, _ in others], colors=shades, linewidths=0.8, zorder=1))
    ends = np.array([curve(trial)[-1] for trial, status in others if status == "stopped"]).reshape(-1, 2)
    axes.plot(ends[:, 0], ends[:, 1], ".", color=GREY, alpha=0.6, markersize=3)
    if others:
        text = f"{plural(len(others), 'other')}" + (" (a dot where one was stopped early)" if len(ends) else "")
        axes.plot([], [], color=GREY, alpha=0.6, linewidth=0.8, label=text)


def draw_curve(axes: Axes, trial: Trial, text: str, colour: str, dashes: Any) -> None:
    """One of the best, with a dot at its best epoch."""
    points = curve(trial)
    axes.plot(points[:, 0], points[:, 1], color=colour, linestyle=dashes, linewidth=1.6, label=text, zorder=3)
    best = points[points[:, 1].argmax()]
    axes.plot(*best, "o", color=colour, markersize=4, zorder=4)


def frame_axes(axes: Axes, top: list[Trial], whole: bool) -> None:
    """Limits, grid and names."""
    axes.set_ylim(*limits([curve(trial) for trial in top], whole))
    longest = max(len(trial.epochs) for trial in top)
    axes.set_xlim(1 - 0.02 * longest, longest * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(color=GREY, alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation accuracy (%)")


def add_legend(figure: Figure) -> None:
    """Below the curves, where long labels have room."""
    legend = figure.legend(loc="outside lower left", frameon=False, handlelength=3)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a dollar sign in a name is no formula


def limits(curves: list[np.ndarray], whole: bool) -> tuple[float, float]:
    """From the level of the best curves after a quarter of the way to their top, where the differences are.

    The `whole` of these curves where trials were stopped early: that is decided at their beginning.
    """
    started = [points[0 if whole else len(points) // 4 :, 1] for points in curves]
    low, high = min(part.min() for part in started), max(part.max() for part in started)
    margin = max(0.5, 0.06 * (high - low))
    return max(0.0, low - margin), min(100.0 + margin / 2, high + margin)


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


def as_svg(figure: Figure) -> bytes:
    """Without date and version, so that the bytes depend on the curves alone."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
