"""What the plots beside the learning curves show, as plain values, so that an unchanged plot is not drawn again.

Only those that say something about a run: a parameter that varied, a network size that varied, a winner that was tested.
"""

from typing import Any

import numpy as np

from analysis import cost
from analysis.curves import spread
from analysis.frame import rows_of
from analysis.markdown import one_line
from analysis.ranges import ranges
from analysis.standing import CONFIRM, Standing
from analysis.testing import evaluation
from search.ledger import Run

Picture = dict[str, Any]  # plain JSON values
TITLES = {
    "parameters": "Validation accuracy against each searched parameter",
    "progress": "Best validation accuracy so far against epochs spent",
    "size": "Validation accuracy against the number of parameters",
    "confusion": "Confusion matrix of the winner on the test split",
}
MOST_POINTS, MOST_PANELS, MOST_CLASSES = 1000, 9, 20


def pictures(run: Run, where: Standing) -> dict[str, Picture]:
    """The plots of a run by their names in TITLES."""
    found = {
        "parameters": parameters(run, where),
        "progress": progress(run),
        "size": size(run, where),
        "confusion": confusion(run, where),
    }
    return {name: picture for name, picture in found.items() if picture}


def parameters(run: Run, where: Standing) -> Picture:
    """A panel for each searched parameter with its points, logarithmic where its range is."""
    rows = rows_of(where.board[where.board["status"].isin(["finished", "stopped"])].dropna(subset="val_accuracy"))
    known, panels = ranges(run), []
    for key in [key for key in where.keys if len({repr(row[key]) for row in rows}) > 1][:MOST_PANELS]:
        own = [row for row in spread(rows, MOST_POINTS) if row[key] is not None]
        are_numbers = all(type(row[key]) in (int, float) for row in own)
        levels = [] if are_numbers else sorted({one_line(row[key]) for row in own})
        points = [
            (row[key] if are_numbers else levels.index(one_line(row[key])), 100 * row["val_accuracy"], row["status"])
            for row in own
        ]
        values = [place for place, _, _ in points if are_numbers]
        is_interval = key in known and not known[key].values
        is_log = known[key].log if is_interval else bool(values) and min(values) > 0 and max(values) >= 10 * min(values)
        panels.append({"name": one_line(key), "log": is_log, "levels": levels, "points": points})
    return {"panels": panels} if panels and len(rows) > 2 else {}


def progress(run: Run) -> Picture:
    """After how many epochs, in plan order, the best value of a finished trial was what."""
    spent, best, points = 0, -1.0, []
    for trial in sorted(run.trials, key=lambda trial: trial.index):
        spent += len(trial.epochs) * (trial.source != CONFIRM)
        if trial.source == CONFIRM or trial.status != "finished" or trial.best is None:
            continue
        if trial.best["val_accuracy"] > best:
            best = trial.best["val_accuracy"]
            points.append((spent, 100 * best))
    return {"points": [*points, (spent, 100 * best)], "trials": len(run.trials)} if len(points) > 1 else {}


def size(run: Run, where: Standing) -> Picture:
    """Parameters and accuracy of each finished configuration, and those on the Pareto front."""
    sizes = cost.parameters(run)
    finished = where.board[where.board["status"] == "finished"]
    if not sizes or len(finished) < 3:
        return {}
    front = cost.pareto(where.board, sizes)
    pairs = list(zip(finished["index"], finished["val_accuracy"], strict=True))
    shown = [pair for pair in spread(pairs, MOST_POINTS) if pair[0] not in front]
    best = sorted((sizes[index], 100 * value) for index, value in pairs if index in front)
    return {"others": [(sizes[index], 100 * value) for index, value in shown], "front": best}


def confusion(run: Run, where: Standing) -> Picture:
    """For each true class the shares of the predicted ones in percent."""
    best = where.best
    metrics = None if best is None else evaluation(run, int(best["index"]), int(best["best_epoch"]))
    if metrics is None or not 1 < len(run.identity["classes"]) <= MOST_CLASSES:
        return {}
    counts = np.array(metrics["confusion_matrix"], float)
    shares = 100 * counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    return {"classes": [one_line(name)[:20] for name in run.identity["classes"]], "shares": shares.round(1).tolist()}
