"""Rank a run by another metric without any training, from the predictions that were kept."""

from dataclasses import replace

import numpy as np

from analysis.frame import predictions
from search.run.ledger import Run, Trial
from search.status import LOST
from trainables import written
from trainables.config import key_of
from trainables.objective import Objective
from trainables.training.class_metrics import MEASURES


def by(run: Run, objective: Objective) -> tuple[Run, str]:
    """The run with this objective, and a line that explains its values.

    Each trial has one value: that of its best epoch by the objective of the search, whose weights the trial kept. A trial without
    the predictions that the metric needs, such as a stopped trial, is left out and counted.
    """
    confirmed = {key_of(trial.config) for trial in run.fresh_trials}
    found = [remeasured(run, trial, objective, key_of(trial.config) in confirmed) for trial in run.trials]
    kept = [trial for trial in found if trial]
    lost = len(found) - len(kept)
    own = f"{written.name(objective)}, of the epoch that each trial kept by its {written.name(run.identity.objective)}"
    are = "is left out, because it" if lost == 1 else "are left out, because they"
    without = f" {written.plural(lost, 'trial')} {are} kept no predictions." if lost else ""
    told = f"{run.name}: ranked by {own}, which the search went by.{without}"
    return replace(run, identity=replace(run.identity, objective=objective), trials=kept), told


def remeasured(run: Run, trial: Trial, objective: Objective, is_confirmed: bool) -> Trial | None:
    """The trial with its value by the objective; None if the needed predictions are not kept.

    A trial that diverged or failed is kept all the same, because it decides the status of its configuration. A stopped trial of a
    configuration with fresh seeds is kept without epochs, because the fresh seeds belong to its row.
    """
    value = value_of(run, trial, objective)
    if value is not None or trial.best is None or trial.status in LOST:
        return as_judged(trial, objective.worst if value is None else value, objective)
    return replace(trial, epochs=[], objective=objective) if is_confirmed else None


def as_judged(trial: Trial, value: float, objective: Objective) -> Trial:
    """The trial with this value at its best epoch, and with the worst possible value at all other epochs."""
    rows = [
        row | {objective.column: value if trial.best and row["epoch"] == trial.best["epoch"] else objective.worst}
        for row in trial.epochs
    ]
    return replace(trial, epochs=rows, objective=objective)


def value_of(run: Run, trial: Trial, objective: Objective) -> float | None:
    """The metric at a trial's best epoch; None if there is no best epoch, or the needed predictions are not kept."""
    if trial.best is None:
        return None
    if objective.column in trial.best:
        return float(trial.best[objective.column])
    counts = run.identity.census.get("counts", {}).get("val")
    try:
        found = predictions.read(trial.folder)
    except ValueError:
        return None
    if found.labels is not None:
        counts = np.bincount(found.labels, minlength=len(run.identity.classes)).tolist()
    if not counts or found.epoch != trial.best["epoch"] or len(found.correct) != sum(counts):
        return None
    right, taken = (
        np.bincount(each, minlength=len(counts)) for each in (found.predicted[found.correct], found.predicted)
    )
    return float(MEASURES[objective.column](right, np.array(counts), taken))
