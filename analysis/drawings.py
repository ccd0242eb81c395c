"""The plots beside the learning curves, drawn as SVG in the same style: same values, same bytes, on white and on black."""

from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from analysis.markdown import count, rate
from analysis.pictures import Picture
from analysis.plots import COLOURS, GREY, STYLE, as_svg

BLUE, ORANGE = COLOURS[:2]


def draw(name: str, picture: Picture) -> bytes:
    """The plot of this name."""
    drawn: dict[str, Callable[[Picture], Figure]] = {
        "parameters": parameters, "progress": progress, "size": size, "confusion": confusion,
    }  # fmt: skip
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
        matplotlib.rcParams.update(STYLE | {"svg.hashsalt": name})  # type: ignore[arg-type]
        return as_svg(drawn[name](picture))


def parameters(picture: Picture) -> Figure:
    """A panel for each parameter; trials stopped early hollow and grey."""
    panels = picture["panels"]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(max(4.5, 2.9 * columns), 2.6 * rows), layout="constrained")
    for place, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, place)
        for status, style in (("stopped", {"color": GREY, "mfc": "none", "alpha": 0.6}), ("finished", {"color": BLUE})):
            points = [(x, y) for x, y, own in panel["points"] if own == status]
            axes.plot(*np.reshape(points, (-1, 2)).T, "o", markersize=4, label=status, **style)
        label_parameter(axes, panel)
        frame(axes, panel["name"], "validation accuracy (%)" if (place - 1) % columns == 0 else "")
    return figure


def label_parameter(axes: Axes, panel: dict[str, Any]) -> None:
    """A logarithmic axis, or the names of the levels."""
    if panel["log"]:
        logarithmic(axes)
    if panel["levels"]:
        axes.set_xticks(range(len(panel["levels"])), panel["levels"], rotation=20)


def progress(picture: Picture) -> Figure:
    """Steps up."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.step(*np.array(picture["points"]).T, where="post", color=BLUE, linewidth=1.6)
    axes.plot(*np.array(picture["points"][:-1]).T, "o", color=BLUE, markersize=4)
    frame(axes, "epochs trained, all trials together in the order of the plan", "best so far (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def size(picture: Picture) -> Figure:
    """The front in colour, the others grey."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(*np.reshape(picture["others"], (-1, 2)).T, "o", color=GREY, alpha=0.6, markersize=4)
    axes.plot(*np.array(picture["front"]).T, "*-", color=ORANGE, markersize=9, linewidth=1.2)
    sizes = [each for each, _ in (*picture["others"], *picture["front"])]
    if max(sizes) >= 10 * min(sizes):
        logarithmic(axes)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(round(value))))
    frame(axes, "parameters (★: no smaller or equal one is better)", "validation accuracy (%)")
    return figure


def confusion(picture: Picture) -> Figure:
    """Shares as shades of blue from clear, with the numbers, which are read without any colour."""
    classes, shares = picture["classes"], np.array(picture["shares"])
    side = 1.6 + 0.42 * len(classes)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    shades = np.zeros((*shares.shape, 4))
    shades[..., :3], shades[..., 3] = np.array([0x00, 0x72, 0xB2]) / 255, 0.75 * shares / 100
    axes.imshow(shades, interpolation="none")
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.5:
            axes.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=7)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (% of its images)")
    return figure


def logarithmic(axes: Axes) -> None:
    """Decades, written without formulas."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: rate(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def frame(axes: Axes, across: str, up: str) -> None:
    """Grid and names."""
    axes.grid(color=GREY, alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
