"""Validation images that all good networks take for the same other class: their labels are probably wrong.

This needs no training, because each finished trial keeps its predictions and the labels. The method cannot tell a wrong label
from a hard image. The list is sorted by how many networks agree; among equals, rarely confused pairs of classes come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.frame import predictions
from analysis.ranking.standing import Standing
from search.run.ledger import Run
from trainables.errors import RunError
from trainables.written import plural

ENOUGH, GOOD = 3, 0.7  # with fewer networks or lower accuracy, agreement of the networks says little about labels
MOST, FEWEST = 10, 2  # bounds of how many networks have to agree, which are the better half of the finished ones


@dataclass(frozen=True)
class Suspect:
    """One validation image that networks take for another class than its label.

    Attributes:
        position: the place among the validation images, from 0.
        label, said: the indices of the labelled class and of the class that the networks predict.
        agreeing: how many of all finished networks predict `said`.
    """

    position: int
    label: int
    said: int
    agreeing: int


@dataclass(frozen=True)
class Found:
    """The suspects of a run, the likeliest first, and the numbers of networks and images behind them."""

    suspects: Sequence[Suspect]
    good: int  # networks that all agree on each suspect
    networks: int  # all finished networks, the good ones included
    images: int
    accuracy: float = 1.0  # of the weakest of the good networks, from 0 to 1


def weak(found: Found) -> str:
    """The reason why the networks' agreement says little about labels; empty if the networks are good and enough."""
    if found.good >= ENOUGH and found.accuracy >= GOOD:
        return ""
    return (
        f"{plural(found.good, 'network')} {'has' if found.good == 1 else 'have'} to agree, and the weakest is right on "
        f"{100 * found.accuracy:.0f} % of the validation images: most of what is listed is probably what weak networks get "
        f"wrong, not wrong labels. Search on until {ENOUGH} networks or more have {100 * GOOD:.0f} %."
    )


def find(run: Run, where: Standing) -> Found:
    """Find the suspects of a run.

    Raises:
        RunError: fewer than two finished trials have kept predictions and labels, or the run has folds or no images.
    """
    if not run.identity.has_images:
        raise RunError(f"no suspects: {run.folder}: it trains by itself, so no images with labels are known.")
    if run.identity.folds:
        raise RunError(
            f"no suspects: {run.folder}: they are looked for on one validation split, and this run has "
            f"{run.identity.folds} folds. Search without --folds."
        )
    there = kept(where)
    if len(there) < FEWEST:
        raise RunError(
            f"too few networks: {run.folder}: {plural(len(there), 'finished trial')} kept predictions and labels, and "
            f"{FEWEST} have to agree. Search with more trials."
        )
    labels = np.asarray(there[0].labels)
    said = np.array([own.predicted for own in there if len(own.predicted) == len(labels)], np.int64)
    good = said[: min(MOST, max(FEWEST, -(-len(said) // 2)))]
    wrong = np.flatnonzero((good == good[0]).all(0) & (good[0] != labels))
    agreeing = (said[:, wrong] == good[0, wrong]).sum(0)
    confused = _confusions(good, labels.astype(np.int64))
    found = [
        Suspect(int(place), int(labels[place]), int(good[0, place]), int(number))
        for place, number in zip(wrong, agreeing, strict=True)
    ]
    found.sort(key=lambda each: (-each.agreeing, confused[each.label, each.said], each.position))
    return Found(found, len(good), len(said), len(labels), float((good == labels).mean(1).min()))


def kept(where: Standing, fold: int = 0, most: int | None = None) -> list[predictions.Predictions]:
    """Read the predictions of the best finished trials that kept labels, the best first.

    Args:
        fold: only trials of this fold; 0 for all.
        most: how many trials to look at; None for all.
    """
    finished = where.trials[where.trials["status"] == "finished"]
    if fold:
        finished = finished[finished["fold"] == fold]
    return [own for folder in finished["folder"].iloc[:most] if (own := _read(folder)) is not None]


def _read(folder: Path) -> predictions.Predictions | None:
    try:
        found = predictions.read(folder)
    except ValueError:
        return None
    return found if found.labels is not None and found.labels.shape == found.predicted.shape else None


def _confusions(said: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How often these networks take images of each class for each class, of shape (classes, classes): label, prediction."""
    classes = int(max(said.max(initial=0), labels.max(initial=0))) + 1
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (np.broadcast_to(labels, said.shape), said), 1)
    return table
