"""Test whether two trainings differ on the validation images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.ranking import comparison, resampling, statistics
from trainables.files.durable import Record
from trainables.objective import ACCURACY, Objective
from trainables.training.class_metrics import MEASURES

Training = tuple[Path, Record]  # a trial's folder and the ledger's row of its best epoch


def p_value(first: Training, second: Training, images: int) -> tuple[float, bool]:
    """Two-sided p-value of the difference in accuracy, and whether the test is paired.

    Both trainings are measured on the same `images` validation images. If both keep their predictions, the test is McNemar's
    exact test. Otherwise it is the z-test of two proportions, which has less power.
    """
    hits = [round(row[ACCURACY.column] * images) for _, row in (first, second)]
    right = [
        comparison.read_correct(folder, row["epoch"], own, images)
        for (folder, row), own in zip((first, second), hits, strict=True)
    ]
    if right[0] is None or right[1] is None:
        return float(statistics.two_proportions(np.array(hits[0]), np.array(hits[1]), images)), False
    wins, losses = np.sum(right[0] & ~right[1]), np.sum(right[1] & ~right[0])
    return float(statistics.mcnemar(np.array(wins), np.array(losses))), True


def drawn_again(
    first: Training, second: Training, images: int, objective: Objective, groups: Sequence[int] = ()
) -> float | None:
    """Two-sided p-value of the difference in any metric of classes, by drawing the same images or whole groups again.

    None for another objective, or if the predictions of either training are not kept.
    """
    if objective.column not in MEASURES:
        return None
    units = resampling.Units(np.array(groups)) if len(groups) else resampling.each(images)
    true = np.array([float(row[objective.column]) for _, row in (first, second)])
    kept = [
        resampling.answers(folder, row["epoch"], value, objective, images)
        for (folder, row), value in zip((first, second), true.tolist(), strict=True)
    ]
    drawn = np.array([resampling.values(own, objective, units) for own in kept if own is not None])
    return float(resampling.p_values(drawn, true, units.number)[0, 1]) if len(drawn) == 2 else None
