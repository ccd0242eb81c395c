"""The best value so far against the epochs that were spent."""

import math
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from analysis.plots import style
from analysis.plots.values import Axis, axis_of
from analysis.ranking.standing import Standing
from search.run.ledger import Run
from trainables import written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Best {value} so far against epochs spent"


class Steps(TypedDict):
    """(epochs spent, best value) at each improvement and at the end; of how many trials."""

    points: list[tuple[int, float]]
    trials: int
    axis: Axis


def picture(run: Run, _: Standing) -> Steps | None:
    """After how many epochs, in plan order, the best value of a finished trial was what."""
    spent, points, objective = 0, [], run.identity.objective
    best = objective.signed(-math.inf)
    for trial in sorted(run.trials, key=lambda trial: trial.index):
        spent += len(trial.epochs) * (not trial.confirms)
        if trial.confirms or trial.status != "finished" or trial.value is None:
            continue
        if objective.is_better(trial.value, best):
            best = trial.value
            points.append((spent, written.plotted(objective, best)))
    if len(points) < 2:
        return None
    points.append((spent, written.plotted(objective, best)))
    return {"points": points, "trials": len(run.trials), "axis": axis_of(objective)}


def draw(picture: Steps) -> "Figure":
    """Steps up, or down where less is better."""
    figure = style.sheet(7, 3.2)
    axes = figure.add_subplot()
    axes.step(*np.array(picture["points"]).T, where="post", color=style.BLUE, linewidth=1.6)
    axes.plot(*np.array(picture["points"][:-1]).T, "o", color=style.BLUE, markersize=4)
    style.frame(axes, "epochs trained, all trials together in the order of the plan", best_so_far(picture["axis"]))
    style.whole(axes.xaxis)
    return figure


def best_so_far(axis: Axis) -> str:
    """The name of the axis of the best value so far."""
    return "best so far (%)" if axis["is_percent"] else f"best {axis['name']} so far"
