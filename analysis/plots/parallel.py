"""Parallel coordinates: a line for each trial across the searched parameters and its value."""

from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import numpy as np

from analysis.diagnostics.importance import BEST
from analysis.frame.ranges import Range
from analysis.plots import style, values
from analysis.ranking.standing import Standing
from analysis.render.markdown import NOTHING, one_line, setting
from search.run.ledger import Run
from trainables import written
from trainables.objective import Objective
from trainables.written import count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Searched parameters of each trial beside its {value}"
LOOKS: dict[str, dict[str, Any]] = {
    "best": {"color": style.ORANGE, "linewidth": 2.4, "alpha": 1.0, "zorder": 4},
    "good": {"color": style.BLUE, "linewidth": 1.3, "alpha": 0.9, "linestyle": (0, (6, 2)), "zorder": 3},
    "other": {"color": style.GREY, "linewidth": 0.8, "alpha": 0.6, "zorder": 2},
}
FEWEST_AXES, FEWEST_LINES = 3, 8  # with less the panels of each parameter say it all
MOST_LINES, MOST_TICKS, LONGEST = 200, 6, 14  # ticks of an axis; characters of a tick
BELOW = -0.12  # the place of what is absent

Tick = tuple[float, str]  # its place and its text


class Line(TypedDict):
    """One trial: best, good or other; its status; its place on each axis."""

    kind: str
    status: str
    places: list[float]


class Label(TypedDict):
    name: str
    ticks: list[Tick]


class Lines(TypedDict):
    """Axes from 0 to 1, the lines across them, best first, and of how many trials."""

    axes: list[Label]
    lines: list[Line]
    trials: int


class LaidOut(NamedTuple):
    """An axis, and where each value lies on it."""

    name: str
    ticks: list[Tick]
    places: list[float]


def picture(run: Run, where: Standing) -> Lines | None:
    """An axis for each searched parameter and the value."""
    rows = values.with_values(where)
    keys = values.varied(rows, where.keys)
    if len(keys) < FEWEST_AXES or len(rows) < FEWEST_LINES:
        return None
    shown, quarter = values.spread(list(enumerate(rows)), MOST_LINES), round(BEST * len(rows))
    known, objective = values.whole_ranges(run), run.identity.objective
    axes = [laid_out(key, known.get(key), [row[key] for _, row in shown]) for key in keys]
    axes.append(laid_out(objective, None, [row[objective.column] for _, row in shown]))
    lines: list[Line] = [
        {
            "kind": "best" if place == 0 else "good" if place < quarter else "other",
            "status": row["status"],
            "places": [axis.places[number] for axis in axes],
        }
        for number, (place, row) in enumerate(shown)
    ]
    return {"axes": [{"name": axis.name, "ticks": axis.ticks} for axis in axes], "lines": lines, "trials": len(rows)}


def laid_out(key: str | Objective, own: Range | None, found: list[Any]) -> LaidOut:
    """Where each value lies on an axis from 0 to 1 over all of them, and its ticks; what is absent lies below it."""
    present = [value for value in found if value is not None]
    scale = values.scale_of(own, present)
    numbers = [float(scale.place(value)) for value in present]
    places = dict(zip(map(repr, present), stretched(numbers, scale.log), strict=True))
    ticked = {repr(value): value for value in present}
    if not scale.levels and len(ticked) > MOST_TICKS:
        ticked = {repr(value): value for value in (min(present), max(present))}
    ticks = [(places[name], tick(key, value)) for name, value in ticked.items()]
    absent = [(BELOW, NOTHING)] if None in found else []
    name = one_line(key) if isinstance(key, str) else written.heading(key)
    return LaidOut(name, sorted(ticks) + absent, [BELOW if value is None else places[repr(value)] for value in found])


def stretched(numbers: list[float], is_log: bool) -> list[float]:
    """From 0 to 1, rounded to what can be seen; equal numbers in the middle."""
    own = np.log(numbers) if is_log and min(numbers, default=0) > 0 else np.array(numbers)
    width = float(np.ptp(own)) if len(own) else 0.0
    return [round(float(place), 4) for place in (own - own.min()) / width] if width > 0 else [0.5] * len(own)


def tick(key: str | Objective, value: Any) -> str:
    """As in the tables, without Markdown."""
    if isinstance(key, Objective):
        return written.number(key, value)
    return setting(key, value) if type(value) in (int, float) else one_line(value)[:LONGEST]


def draw(picture: Lines) -> "Figure":
    """Number 1 thick and orange, the rest of the best quarter blue and dashed, all others grey; stopped ones fainter."""
    axes_shown, lines = picture["axes"], picture["lines"]
    figure = style.sheet(max(6.0, 1.35 * len(axes_shown)), 3.8)
    axes = figure.add_subplot()
    for line in reversed(lines):  # the best last, on top
        faint = 0.55 if line["status"] == "stopped" else 1.0
        axes.plot(line["places"], **LOOKS[line["kind"]] | {"alpha": faint * LOOKS[line["kind"]]["alpha"]})
    for across, axis in enumerate(axes_shown):
        axes.axvline(across, color=style.GREY, linewidth=0.8, zorder=0)
        for place, text in axis["ticks"]:
            axes.annotate(
                text, (across, place), (3, 2), textcoords="offset points", fontsize=7, zorder=9,
                bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            )  # fmt: skip
    axes.set_xticks(range(len(axes_shown)), [axis["name"] for axis in axes_shown], rotation=15)
    axes.set_xlim(-0.1, len(axes_shown) - 0.5)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    name_kinds(figure, lines, picture["trials"])
    return figure


def name_kinds(figure: "Figure", lines: list[Line], trials: int) -> None:
    """Names of the kinds of lines that there are."""
    from matplotlib.lines import Line2D

    kinds = {line["kind"] for line in lines}
    shown = f" ({len(lines)} of {count(trials)} trials shown)" if len(lines) < trials else ""
    names = {"best": "number 1", "good": "the rest of the best quarter", "other": f"all others{shown}"}
    handles = [Line2D([], [], label=names[kind], **LOOKS[kind]) for kind in names if kind in kinds]
    faint = any(line["status"] == "stopped" for line in lines)
    figure.legend(
        handles=handles, loc="outside lower left", frameon=False, ncols=3, handlelength=3,
        title="fainter: stopped early" if faint else None, alignment="left",
    )  # fmt: skip
