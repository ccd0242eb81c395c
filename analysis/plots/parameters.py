"""A panel for each searched parameter, with the value of each trial."""

import itertools
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from analysis.plots import style, values
from analysis.plots.values import Axis, spread
from analysis.ranking.standing import Standing
from analysis.render.markdown import one_line
from search.run.ledger import Run
from trainables import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_TICKS = 8  # names that fit under a panel
TITLE = "{value} against each searched parameter"


class Panel(TypedDict):
    """One parameter: how it is laid out, and (place, value, status) of each trial."""

    name: str
    log: bool
    levels: list[str]
    points: list[tuple[float, float, str]]


class Panels(TypedDict):
    panels: list[Panel]
    axis: Axis


def picture(run: Run, where: Standing) -> Panels | None:
    """A panel for each searched parameter with its points, logarithmic where its range is."""
    known, objective, rows = values.whole_ranges(run), run.identity.objective, values.with_values(where)
    panels: list[Panel] = []
    for key in values.varied(rows, where.keys):
        own = [row for row in spread(rows, values.MOST_POINTS) if row[key] is not None]
        scale = values.scale_of(known.get(key), [row[key] for row in own])
        heights = [written.plotted(objective, row[objective.column]) for row in own]
        points = [(scale.place(row[key]), height, row["status"]) for row, height in zip(own, heights, strict=True)]
        panels.append({"name": one_line(key), "log": scale.log, "levels": scale.levels, "points": points})
    return {"panels": panels, "axis": values.axis_of(objective)} if panels and len(rows) > 2 else None


def draw(picture: Panels) -> "Figure":
    """Trials stopped early are hollow and grey."""
    panels = picture["panels"]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = style.sheet(max(4.5, 2.9 * columns), 2.6 * rows)
    for place, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, place)
        for status, look in (
            ("stopped", {"color": style.GREY, "mfc": "none", "alpha": 0.6}),
            ("finished", {"color": style.BLUE}),
        ):
            points = [(x, y) for x, y, own in panel["points"] if own == status]
            axes.plot(*np.reshape(points, (-1, 2)).T, "o", markersize=4, label=status, **look)
        label(axes, panel)
        style.frame(axes, panel["name"], picture["axis"]["name"] if (place - 1) % columns == 0 else "")
    return figure


def label(axes: "Axes", panel: Panel) -> None:
    """A logarithmic axis, the names of the levels, or a tick at each value where there are few."""
    if panel["log"]:
        style.logarithmic(axes)
    if panel["levels"]:
        axes.set_xticks(range(len(panel["levels"])), panel["levels"], rotation=20)
    elif not panel["log"] and (few := few_values([x for x, _, _ in panel["points"]])):
        axes.set_xticks(few, [f"{value:g}" for value in few])


def few_values(found: list[float]) -> list[float]:
    """The different values if their ticks have room for their names, else none."""
    values = sorted(set(found))
    span = values[-1] - values[0] if values else 0.0
    return values if span and all(b - a > span / MOST_TICKS for a, b in itertools.pairwise(values)) else []
