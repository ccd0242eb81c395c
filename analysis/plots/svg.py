"""Plots as SVG: the same values give the same bytes, readable on white and on black."""

import io
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.plots import fonts
from analysis.plots.curves import Curve, Curves
from trainables.written import count, plural

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito's, for colour-blind eyes
DASHES = ("solid", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (4, 1)), (0, (1, 1)))  # and without any colour
GREY = "#757575"  # can be read on white and on black: a contrast of 4.6 with either

STYLE: dict[str, Any] = {"svg.hashsalt": "learning curves", "svg.fonttype": "path", "font.size": 9}
STYLE |= {"text.parse_math": False}  # $ in a name is no formula
STYLE |= {"text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY, "xtick.color": GREY, "ytick.color": GREY}


def learning_curves(curves: Curves) -> bytes:
    """The value by epoch: the best trials in colour, all others in grey, fainter if they were stopped."""
    lines = len(curves["top"]) + bool(curves["others"])
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
        matplotlib.rcParams.update(STYLE | {"font.family": fonts.families(curves)})  # type: ignore[arg-type]
        figure = Figure(figsize=(8, 3.8 + 0.19 * lines), layout="constrained")
        axes = figure.add_subplot()
        for curve, colour, dashes in zip(curves["top"], COLOURS, DASHES, strict=False):
            draw_curve(axes, curve, colour, dashes, curves["axis"]["is_less_better"])
        draw_others(axes, curves["others"], curves["number_of_others"])
        frame_axes(axes, curves)
        figure.legend(loc="outside lower left", frameon=False, handlelength=3)  # where long labels have room
        return as_svg(figure)


def draw_curve(axes: Axes, curve: Curve, colour: str, dashes: Any, is_less_better: bool) -> None:
    """One of the best, with a dot at its best epoch."""
    points = np.array(curve["points"])
    axes.plot(*points.T, color=colour, linestyle=dashes, linewidth=1.6, label=curve["label"], zorder=3)
    best = points[:, 1].argmin() if is_less_better else points[:, 1].argmax()
    axes.plot(*points[best], "o", color=colour, markersize=4, zorder=4)


def draw_others(axes: Axes, others: list[Curve], number: int) -> None:
    """The trials that are not among the best, all in one collection; a dot where one was stopped."""
    if not others:
        return
    shades = [(0.5, 0.5, 0.5, 0.55 if curve["status"] == "finished" else 0.3) for curve in others]
    axes.add_collection(LineCollection([curve["points"] for curve in others], colors=shades, linewidths=0.8, zorder=1))
    ends = [curve["points"][-1] for curve in others if curve["status"] == "stopped"]
    axes.plot(*np.reshape(ends, (-1, 2)).T, ".", color=GREY, alpha=0.6, markersize=3)
    shown = f", {count(len(others))} of them shown" if len(others) < number else ""
    text = f"{plural(number, 'other')}{shown}{'; a dot where one was stopped early' if ends else ''}"
    axes.plot([], [], color=GREY, alpha=0.6, linewidth=0.8, label=text)


def frame_axes(axes: Axes, curves: Curves) -> None:
    """Limits, grid and names."""
    axes.set_ylim(*limits(curves))
    longest = max(len(curve["points"]) for curve in curves["top"])
    axes.set_xlim(1 - 0.02 * longest, longest * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(color=GREY, alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("epoch")
    axes.set_ylabel(curves["axis"]["name"])


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


def as_svg(figure: Figure) -> bytes:
    """Without date and version, so that the bytes depend on the curves alone."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
