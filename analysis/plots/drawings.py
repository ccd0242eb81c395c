"""The plots beside the learning curves, drawn as SVG in the same style: same values, same bytes, on white and on black."""

from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from analysis.plots import fonts
from analysis.plots.curves import Axis
from analysis.plots.plotted import Picture
from analysis.plots.svg import COLOURS, GREY, STYLE, as_svg
from analysis.render.markdown import NOTHING, rate
from trainables.written import count

BLUE, ORANGE = COLOURS[:2]
LINES: dict[str, dict[str, Any]] = {  # of parallel coordinates
    "best": {"color": ORANGE, "linewidth": 2.4, "alpha": 1.0, "zorder": 4},
    "good": {"color": BLUE, "linewidth": 1.3, "alpha": 0.9, "linestyle": (0, (6, 2)), "zorder": 3},
    "other": {"color": GREY, "linewidth": 0.8, "alpha": 0.6, "zorder": 2},
}
MOST_NUMBERS = 12  # bars that have room for numbers
NUMBER: dict[str, Any] = {
    "fontsize": 8,
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1},
    "color": "black",
}


def draw(name: str, picture: Picture) -> bytes:
    """The plot of this name."""
    drawn: dict[str, Callable[[Picture], Figure]] = {
        "parameters": parameters, "parallel": parallel, "progress": progress, "size": size, "confusion": confusion,
        "rungs": rungs,
    }  # fmt: skip
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
        own = {"svg.hashsalt": name, "font.family": fonts.families(picture)}
        matplotlib.rcParams.update(STYLE | own)  # type: ignore[arg-type]
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
        frame(axes, panel["name"], picture["axis"]["name"] if (place - 1) % columns == 0 else "")
    return figure


def label_parameter(axes: Axes, panel: dict[str, Any]) -> None:
    """A logarithmic axis, or the names of the levels."""
    if panel["log"]:
        logarithmic(axes)
    if panel["levels"]:
        axes.set_xticks(range(len(panel["levels"])), panel["levels"], rotation=20)


def parallel(picture: Picture) -> Figure:
    """Number 1 thick and orange, the rest of the best quarter blue and dashed, all others grey; stopped ones fainter."""
    axes_shown, lines = picture["axes"], picture["lines"]
    figure = Figure(figsize=(max(6.0, 1.35 * len(axes_shown)), 3.8), layout="constrained")
    axes = figure.add_subplot()
    for line in reversed(lines):  # the best last, on top
        faint = 0.55 if line["status"] == "stopped" else 1.0
        axes.plot(line["places"], **LINES[line["kind"]] | {"alpha": faint * LINES[line["kind"]]["alpha"]})
    for across, axis in enumerate(axes_shown):
        axes.axvline(across, color=GREY, linewidth=0.8, zorder=0)
        for place, text in axis["ticks"]:
            axes.annotate(text, (across, place), (3, 2), textcoords="offset points", fontsize=7, zorder=9)
    axes.set_xticks(range(len(axes_shown)), [axis["name"] for axis in axes_shown], rotation=15)
    axes.set_xlim(-0.1, len(axes_shown) - 0.5)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    key(figure, lines, picture["trials"])
    return figure


def key(figure: Figure, lines: list[dict[str, Any]], trials: int) -> None:
    """Names of the kinds of lines that there are."""
    kinds = {line["kind"] for line in lines}
    shown = f" ({len(lines)} of {count(trials)} trials shown)" if len(lines) < trials else ""
    names = {"best": "number 1", "good": "the rest of the best quarter", "other": f"all others{shown}"}
    handles = [Line2D([], [], label=names[kind], **LINES[kind]) for kind in names if kind in kinds]
    faint = any(line["status"] == "stopped" for line in lines)
    figure.legend(
        handles=handles, loc="outside lower left", frameon=False, ncols=3, handlelength=3,
        title="fainter: stopped early" if faint else None, alignment="left",
    )  # fmt: skip


def rungs(picture: Picture) -> Figure:
    """A bar for each rung and the end: who went on, only for the audit, and who was stopped; numbers where there is room."""
    found = np.array([*picture["rungs"], (picture["epochs"], 0, picture["finished"], 0)])
    figure = Figure(figsize=(max(4.5, min(9.0, 1.5 + 0.7 * len(found))), 3.2), layout="constrained")
    axes = figure.add_subplot()
    parts: tuple[tuple[str, np.ndarray, dict[str, Any]], ...] = (
        ("went on", found[:, 2], {"facecolor": BLUE}),
        ("went on for the audit", found[:, 3], {"facecolor": ORANGE, "hatch": ".."}),
        ("stopped", found[:, 1], {"facecolor": "none", "hatch": "///"}),
    )
    base, room = np.zeros(len(found)), max(1.0, 0.07 * found[:, 1:].sum(axis=1).max())  # for a number
    for name, heights, style in parts:
        if heights.any():
            bars = axes.bar(range(len(found)), heights, bottom=base, label=name, edgecolor=GREY, linewidth=0.6, **style)
            base = base + heights
            if len(found) <= MOST_NUMBERS:
                axes.bar_label(
                    bars, [str(each) if each >= room else "" for each in heights], label_type="center", **NUMBER
                )
    frame(axes, "epoch of the rung; at the end: trials that finished", "trials")
    every = -(-len(found) // MOST_NUMBERS)
    names = [*map(str, found[:-1, 0]), f"end ({picture['epochs']})"]
    places = sorted({*range(0, len(found) - every // 2, every), len(found) - 1})
    axes.set_xticks(places, [names[place] for place in places])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower left", frameon=False, ncols=3)
    return figure


def progress(picture: Picture) -> Figure:
    """Steps up, or down where less is better."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.step(*np.array(picture["points"]).T, where="post", color=BLUE, linewidth=1.6)
    axes.plot(*np.array(picture["points"][:-1]).T, "o", color=BLUE, markersize=4)
    frame(axes, "epochs trained, all trials together in the order of the plan", best_so_far(picture["axis"]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def best_so_far(axis: Axis) -> str:
    """The name of the axis of the best value so far."""
    return "best so far (%)" if axis["is_percent"] else f"best {axis['name']} so far"


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
    better = "lower" if picture["axis"]["is_less_better"] else "higher"
    frame(axes, f"parameters (★: none with as few has a {better} value)", picture["axis"]["name"])
    return figure


def confusion(picture: Picture) -> Figure:
    """Shares as shades of blue from white, with the numbers, which are read without any colour."""
    classes, shares = picture["classes"], np.array(picture["shares"], float)  # None is NaN
    side = 1.6 + 0.42 * len(classes)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    shades = shade(np.nan_to_num(shares))
    axes.imshow(shades, interpolation="none")
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.5 or np.isnan(share):
            text = NOTHING if np.isnan(share) else f"{share:.0f}"
            ink = ink_on(shades[row, column])
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=ink)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (% of its images)")
    return figure


def shade(shares: np.ndarray) -> np.ndarray:
    """Red, green and blue (..., 3) from 0 to 1 of shares from 0 to 100: opaque, so that no page shines through."""
    blue = np.array([0x00, 0x72, 0xB2]) / 255
    return 1 - (1 - blue) * np.clip(shares, 0, 100)[..., None] / 100


def ink_on(paper: np.ndarray) -> str:
    """Black or white, whichever is read better on this colour: the contrast is 4.58 at the least."""
    return "black" if contrast(paper, np.zeros(3)) >= contrast(paper, np.ones(3)) else "white"


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """Of two colours (3,) from 0 to 1, as WCAG 2 defines it: from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: np.ndarray) -> float:
    """How bright a colour of sRGB is, from 0 to 1."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


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
