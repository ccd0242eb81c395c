"""The value of each finished configuration against the number of parameters of its network."""

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from analysis.frame import network_cost
from analysis.plots import style
from analysis.plots.values import MOST_POINTS, Axis, axis_of, spread
from analysis.ranking.standing import Standing
from search.run.ledger import Run
from trainables import written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "{value} against the number of parameters"


class Sizes(TypedDict):
    """(parameters, value) of configurations beside the Pareto front and of those on it, the smallest first."""

    others: list[tuple[int, float]]
    front: list[tuple[int, float]]
    axis: Axis


def picture(run: Run, where: Standing) -> Sizes | None:
    """Where sizes vary: parameters and value of each finished configuration."""
    sizes = network_cost.parameters(where.board)
    finished = where.board[(where.board["status"] == "finished") & where.board["index"].isin(sizes)]
    if not sizes or len(finished) < 3:
        return None
    front, objective = network_cost.pareto(where.board, sizes), run.identity.objective
    heights = [written.plotted(objective, value) for value in finished[objective.column]]
    pairs = list(zip(finished["index"], heights, strict=True))
    shown = [pair for pair in spread(pairs, MOST_POINTS) if pair[0] not in front]
    best = sorted((sizes[index], height) for index, height in pairs if index in front)
    others = [(sizes[index], height) for index, height in shown]
    return {"others": others, "front": best, "axis": axis_of(objective)}


def draw(picture: Sizes) -> "Figure":
    """The front in colour, the others grey."""
    figure = style.sheet(7, 3.6)
    axes = figure.add_subplot()
    axes.plot(*np.reshape(picture["others"], (-1, 2)).T, "o", color=style.GREY, alpha=0.6, markersize=4)
    axes.plot(*np.array(picture["front"]).T, "*-", color=style.ORANGE, markersize=9, linewidth=1.2)
    sizes = [each for each, _ in (*picture["others"], *picture["front"])]
    if max(sizes) >= 10 * min(sizes):
        style.logarithmic(axes)
    style.counted(axes.xaxis)
    better = "lower" if picture["axis"]["is_less_better"] else "higher"
    style.frame(axes, f"parameters (★: none with as few has a {better} value)", picture["axis"]["name"])
    return figure
