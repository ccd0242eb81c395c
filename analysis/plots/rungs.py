"""How many trials reached each rung of early stopping, and were stopped there."""

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from analysis.diagnostics import rung_agreement
from analysis.plots import style
from analysis.ranking.standing import Standing
from search.run.ledger import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "How many trials reached each rung, and were stopped there"
MOST_NUMBERS = 12  # bars that have room for numbers
NUMBER: dict[str, Any] = {
    "fontsize": 8,
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1},
    "color": "black",
}


class Passages(TypedDict):
    """(epoch, stopped, went on, went on for the audit alone) of each rung; how many finished, after how many epochs."""

    rungs: list[tuple[int, int, int, int]]
    finished: int
    epochs: int


def picture(run: Run, _: Standing) -> Passages | None:
    """What became of the trials at each rung."""
    found = [
        (rung.epoch, rung.stopped, rung.went_on - rung.audited, rung.audited) for rung in rung_agreement.passages(run)
    ]
    finished = sum(trial.status == "finished" for trial in run.search_trials)
    return {"rungs": found, "finished": finished, "epochs": run.totals.epochs} if found else None


def draw(picture: Passages) -> "Figure":
    """A bar for each rung and the end: who went on, only for the audit, and who was stopped; numbers where there is room."""
    found = np.array([*picture["rungs"], (picture["epochs"], 0, picture["finished"], 0)])
    figure = style.sheet(max(4.5, min(9.0, 1.5 + 0.7 * len(found))), 3.2)
    axes = figure.add_subplot()
    parts: tuple[tuple[str, np.ndarray, dict[str, Any]], ...] = (
        ("went on", found[:, 2], {"facecolor": style.BLUE}),
        ("went on for the audit", found[:, 3], {"facecolor": style.ORANGE, "hatch": ".."}),
        ("stopped", found[:, 1], {"facecolor": "none", "hatch": "///"}),
    )
    base, room = np.zeros(len(found)), max(1.0, 0.07 * found[:, 1:].sum(axis=1).max())  # for a number
    for name, heights, look in parts:
        if heights.any():
            bars = axes.bar(
                range(len(found)), heights, bottom=base, label=name, edgecolor=style.GREY, linewidth=0.6, **look
            )
            base = base + heights
            if len(found) <= MOST_NUMBERS:
                axes.bar_label(
                    bars, [str(each) if each >= room else "" for each in heights], label_type="center", **NUMBER
                )
    style.frame(axes, "epoch of the rung; at the end: trials that finished", "trials")
    every = -(-len(found) // MOST_NUMBERS)
    names = [*map(str, found[:-1, 0]), f"end ({picture['epochs']})"]
    places = sorted({*range(0, len(found) - every // 2, every), len(found) - 1})
    axes.set_xticks(places, [names[place] for place in places])
    style.whole(axes.yaxis)
    figure.legend(loc="outside lower left", frameon=False, ncols=3)
    return figure
