"""Intervals and paired tests of any metric of classes, from draws of the validation images or of whole groups of them.

The draws have a fixed seed and are the same for every network, so two networks are compared on the same images in each draw. A
difference is divided by its spread over the draws (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 6). The
ratio is compared with Student's distribution, whose degrees of freedom are the number of drawn units minus one.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.special import stdtr, stdtrit

from analysis.frame import predictions
from analysis.ranking.statistics import LEVEL, Array
from trainables.objective import Objective
from trainables.training.class_metrics import MEASURES, measure

DRAWS = 400  # the standard deviation of so many is right to about 4 %
MOST = 30  # rows that are compared with each other
SEED = 0


@dataclass(frozen=True)
class Units:
    """The units that are drawn again: groups of images, or single images.

    Attributes:
        of: int64 (images,), the unit of each image, from 0.
    """

    of: Array

    @property
    def number(self) -> int:
        return int(self.of.max(initial=-1)) + 1

    @cached_property
    def draws(self) -> Array:
        """How often each image is drawn, float32 (DRAWS, images)."""
        random = np.random.default_rng(SEED)
        counts = random.multinomial(self.number, np.full(self.number, 1 / self.number), size=DRAWS)
        return counts.astype(np.float32)[:, self.of]


def each(images: int) -> Units:
    """Make every image a unit of its own."""
    return Units(np.arange(images))


@dataclass(frozen=True)
class Answers:
    """The predictions of a network for the validation images, and their labels; both int64 (images,)."""

    predicted: Array
    labels: Array


def answers(folder: Path, epoch: int, value: float, objective: Objective, images: int) -> Answers | None:
    """The predictions of a trial's best epoch; None if they are missing, or do not agree with the ledger."""
    try:
        found = predictions.read(folder)
    except ValueError:
        return None
    if found.labels is None or found.epoch != epoch or not found.labels.shape == found.predicted.shape == (images,):
        return None
    labels, predicted = found.labels.astype(np.int64), found.predicted.astype(np.int64)
    classes = int(max(labels.max(initial=0), predicted.max(initial=0))) + 1
    agrees = abs(measure(objective.column, labels, predicted, classes) - value) < 1e-9
    return Answers(predicted, labels) if agrees else None


def values(found: Answers, objective: Objective, units: Units) -> Array:
    """The metric on each draw, (DRAWS,)."""
    classes = int(max(found.labels.max(initial=0), found.predicted.max(initial=0))) + 1
    right = found.labels == found.predicted
    counts = [
        units.draws @ one_hot(own, where, classes)
        for own, where in (
            (found.labels, right),
            (found.labels, np.ones_like(right)),
            (found.predicted, np.ones_like(right)),
        )
    ]
    return MEASURES[objective.column](*(count.astype(float) for count in counts))


def one_hot(classes_of: Array, where: Array, classes: int) -> Array:
    """float32 (images, classes): 1 at the class of each image for which `where` is true."""
    table = np.zeros((len(classes_of), classes), np.float32)
    table[np.flatnonzero(where), classes_of[where]] = 1
    return table


def intervals(drawn: Array, true: Array, units: int, limits: tuple[float, float]) -> tuple[Array, Array]:
    """Student's 95 % interval of each network's value, which few groups make wide; NaN if all draws are the same.

    Args:
        drawn, true, units: as in `p_values`.
        limits: the smallest and the largest possible value.
    """
    spread = drawn.std(axis=1, ddof=1) * (units / max(1, units - 1)) ** 0.5
    half = np.where(spread > 0, stdtrit(max(1, units - 1), 1 - LEVEL / 2) * spread, np.nan)
    return np.maximum(true - half, limits[0]), np.minimum(true + half, limits[1])


def p_values(drawn: Array, true: Array, units: int) -> Array:
    """Two-sided p-value of each pair of networks, (rows, rows).

    Args:
        drawn: the metric of each network on each draw, (rows, DRAWS).
        true: the metric of each network on all images, (rows,).
        units: number of units that were drawn.
    """
    spread = np.atleast_2d(np.cov(drawn))
    own = np.diag(spread)
    variance = np.maximum(own[:, None] + own[None, :] - 2 * spread, 0) * units / max(1, units - 1)
    far = np.abs(true[:, None] - true[None, :])
    t = np.divide(far, np.sqrt(variance), out=np.zeros_like(far), where=variance > 1e-18)
    return np.minimum(1.0, 2 * stdtr(max(1, units - 1), -t))
