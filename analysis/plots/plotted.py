"""What the plots beside the learning curves show, as plain values, so that an unchanged plot is not drawn again.

Only those that say something about a run: a parameter that varied, a network size that varied, a winner that was tested.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from analysis.diagnostics import rung_agreement
from analysis.diagnostics.importance import BEST
from analysis.frame import network_cost, valued
from analysis.frame.dataframe import Row, rows_of
from analysis.frame.ranges import Range, searched
from analysis.plots.curves import axis_of, spread
from analysis.ranking.standing import Standing
from analysis.ranking.test_scores import evaluation
from analysis.render.markdown import NOTHING, one_line, setting
from search.run.ledger import Run
from trainables import written
from trainables.objective import Objective

Picture = dict[str, Any]  # plain JSON values


class Scale(NamedTuple):
    """How the values of a parameter are laid out: as numbers, perhaps logarithmic, or as the places of levels."""

    log: bool
    levels: list[str]

    def place(self, value: Any) -> float:
        return self.levels.index(one_line(value)) if self.levels else value


TITLES = {
    "parameters": "{value} against each searched parameter",
    "parallel": "Searched parameters of each trial beside its {value}",
    "progress": "Best {value} so far against epochs spent",
    "size": "{value} against the number of parameters",
    "confusion": "Confusion matrix of the winner on the test split",
    "rungs": "How many trials reached each rung, and were stopped there",
}
ELSEWHERE = ("confusion", "rungs")  # these stand in a section of their own, not below the leaderboard
MOST_POINTS, MOST_PANELS, MOST_CLASSES, MOST_LINES = 1000, 9, 20, 200
MOST_TICKS, LONGEST, BELOW = 6, 14, -0.12  # of an axis; characters of a tick; the place of what is absent
FEWEST_AXES, FEWEST_LINES = 3, 8  # of parallel coordinates; with less the panels of each parameter say it all


def title_of(name: str, objective: Objective) -> str:
    """The title of a plot in TITLES, with what the run is ranked by."""
    title = TITLES[name].format(value=written.title(objective))
    return title[0].upper() + title[1:]


def pictures(run: Run, where: Standing) -> dict[str, Picture]:
    """The plots of a run by their names in TITLES."""
    return dict(each_picture(run, where))


def each_picture(run: Run, where: Standing) -> Iterator[tuple[str, Picture]]:
    """The same, one after the other: one is drawn while the next is found."""
    rows = with_values(where)
    found: tuple[tuple[str, Callable[[], Picture]], ...] = (
        ("parameters", lambda: parameters(run, where, rows)),
        ("parallel", lambda: parallel(run, where, rows)),
        ("progress", lambda: progress(run)),
        ("size", lambda: size(run, where)),
        ("confusion", lambda: confusion(run, where)),
        ("rungs", lambda: rungs(run)),
    )
    for name, find in found:
        if picture := find():
            yield name, picture


def parameters(run: Run, where: Standing, rows: list[Row]) -> Picture:
    """A panel for each searched parameter with its points, logarithmic where its range is."""
    known, panels, objective = whole_ranges(run), [], run.identity.objective
    for key in varied(rows, where.keys):
        own = [row for row in spread(rows, MOST_POINTS) if row[key] is not None]
        scale = scale_of(known.get(key), [row[key] for row in own])
        values = [written.plotted(objective, row[objective.column]) for row in own]
        points = [(scale.place(row[key]), value, row["status"]) for row, value in zip(own, values, strict=True)]
        panels.append({"name": one_line(key), "log": scale.log, "levels": scale.levels, "points": points})
    return {"panels": panels, "axis": axis_of(objective)} if panels and len(rows) > 2 else {}


def with_values(where: Standing) -> list[Row]:
    """The finished and stopped rows, best first."""
    board = where.board
    known = board["status"].isin(["finished", "stopped"]) & valued.values(board).notna()
    return rows_of(board[known])


def varied(rows: list[Row], keys: list[str]) -> list[str]:
    """The first parameters with more than one value."""
    return [key for key in keys if any(repr(row[key]) != repr(rows[0][key]) for row in rows)][:MOST_PANELS]


def whole_ranges(run: Run) -> dict[str, Range]:
    """What each searched parameter could be, over all cases of a conditional one."""
    return {key: own.whole for key, own in searched(run).items()}


def scale_of(own: Range | None, values: list[Any]) -> Scale:
    """How these values are laid out: as numbers, logarithmic where the range is, or as levels."""
    if not all(type(value) in (int, float) for value in values):
        return Scale(False, sorted({one_line(value) for value in values}))
    is_interval = own is not None and not own.values
    spans = bool(values) and min(values) > 0 and max(values) >= 10 * min(values)
    return Scale(own.log if own and is_interval else spans, [])


def parallel(run: Run, where: Standing, rows: list[Row]) -> Picture:
    """An axis from 0 to 1 for each searched parameter and the value, and a line across them for each trial, best first."""
    keys = varied(rows, where.keys)
    if len(keys) < FEWEST_AXES or len(rows) < FEWEST_LINES:
        return {}
    shown, quarter = spread(list(enumerate(rows)), MOST_LINES), round(BEST * len(rows))
    known, objective = whole_ranges(run), run.identity.objective
    axes = [laid_out(key, known.get(key), [row[key] for _, row in shown]) for key in keys]
    axes.append(laid_out(objective, None, [row[objective.column] for _, row in shown]))
    lines = [
        {
            "kind": "best" if place == 0 else "good" if place < quarter else "other",
            "status": row["status"],
            "places": [axis["places"][number] for axis in axes],
        }
        for number, (place, row) in enumerate(shown)
    ]
    labels = [{"name": axis["name"], "ticks": axis["ticks"]} for axis in axes]
    return {"axes": labels, "lines": lines, "trials": len(rows)}


def laid_out(key: str | Objective, own: Range | None, values: list[Any]) -> Picture:
    """Where each value lies on an axis from 0 to 1 over all of them, and its ticks; what is absent lies below it."""
    present = [value for value in values if value is not None]
    scale = scale_of(own, present)
    numbers = [float(scale.place(value)) for value in present]
    places = dict(zip(map(repr, present), stretched(numbers, scale.log), strict=True))
    ticked = {repr(value): value for value in present}
    if not scale.levels and len(ticked) > MOST_TICKS:
        ticked = {repr(value): value for value in (min(present), max(present))}
    ticks = [(places[name], tick(key, value)) for name, value in ticked.items()]
    absent = [(BELOW, NOTHING)] if None in values else []
    return {
        "name": one_line(key) if isinstance(key, str) else written.heading(key),
        "ticks": sorted(ticks) + absent,
        "places": [BELOW if value is None else places[repr(value)] for value in values],
    }


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


def progress(run: Run) -> Picture:
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
        return {}
    points.append((spent, written.plotted(objective, best)))
    return {"points": points, "trials": len(run.trials), "axis": axis_of(objective)}


def size(run: Run, where: Standing) -> Picture:
    """Parameters and value of each finished configuration, and those on the Pareto front."""
    sizes = network_cost.parameters(where.board)
    finished = where.board[where.board["status"] == "finished"]
    if not sizes or len(finished) < 3:
        return {}
    front, objective = network_cost.pareto(where.board, sizes), run.identity.objective
    values = [written.plotted(objective, value) for value in finished[objective.column]]
    pairs = list(zip(finished["index"], values, strict=True))
    shown = [pair for pair in spread(pairs, MOST_POINTS) if pair[0] not in front]
    best = sorted((sizes[index], value) for index, value in pairs if index in front)
    others = [(sizes[index], value) for index, value in shown]
    return {"others": others, "front": best, "axis": axis_of(objective)}


def confusion(run: Run, where: Standing) -> Picture:
    """For each true class the shares of the predicted ones in percent, None where it has no images."""
    best = where.best
    metrics = None if best is None else evaluation(run, int(best["index"]), int(best["best_epoch"]))
    if metrics is None or not 1 < len(run.identity.classes) <= MOST_CLASSES:
        return {}
    shares = [row_shares(row) for row in metrics["confusion_matrix"]]
    return {"classes": [one_line(name)[:20] for name in run.identity.classes], "shares": shares}


def row_shares(counts: list[int]) -> list[float | None]:
    """What the images of a class were taken for, in percent; nothing of a class without images."""
    total = sum(counts)
    return (100 * np.array(counts, float) / total).round(1).tolist() if total else [None] * len(counts)


def rungs(run: Run) -> Picture:
    """How many trials were stopped at each rung, went on and went on for the audit alone; and how many finished."""
    found = [
        (rung.epoch, rung.stopped, rung.went_on - rung.audited, rung.audited) for rung in rung_agreement.passages(run)
    ]
    finished = sum(trial.status == "finished" for trial in run.search_trials)
    return {"rungs": found, "finished": finished, "epochs": run.totals.epochs} if found else {}
