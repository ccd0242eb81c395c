"""Validation images that the winner gets wrong: examples to look at, the surest first.

Probabilities are not kept, only the class that each network says. So the surest mistake is the one that the most finished
networks make alike; a few of each kind, or one pair of classes would be all there is to see.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from analysis.diagnostics.suspects import Suspect, kept
from analysis.frame import predictions
from analysis.ranking.standing import Standing
from search.run import confirmation
from search.run.ledger import Run, Trial
from trainables.config import image_size

SHOWN, OF_A_KIND, FEWEST = 24, 2, 4
PIXELS = 12 * 224**2  # in all examples: of large images fewer are shown


@dataclass(frozen=True)
class Mistakes:
    """Examples of what a network gets wrong, and out of how many."""

    trial: Trial
    examples: Sequence[Suspect]
    wrong: int
    images: int
    networks: int  # finished ones of the same images, with the winner


def find(run: Run, where: Standing) -> Mistakes | None:
    """Those of the winner; none where there is no winner, or it kept no labels, or makes no mistake."""
    trial = confirmation.winner(run)
    try:
        own = predictions.read(trial.folder) if trial else None
    except ValueError:
        return None
    if trial is None or own is None or own.labels is None:
        return None
    others = [each.predicted for each in kept(where, trial.fold) if len(each.predicted) == len(own.labels)]
    agreeing = np.zeros(len(own.labels), np.int64)
    for said in others:
        agreeing += said == own.predicted
    wrong = np.flatnonzero(own.predicted != own.labels)
    if not len(wrong):
        return None
    order = wrong[np.argsort(-agreeing[wrong], kind="stable")]
    ordered = (Suspect(int(p), int(own.labels[p]), int(own.predicted[p]), int(agreeing[p])) for p in order)
    examples = list(islice(few_of_a_kind(ordered), shown_of(image_size(trial.config))))
    return Mistakes(trial, examples, len(wrong), len(own.labels), len(others))


def shown_of(size: int) -> int:
    """How many examples of so many pixels a side are shown."""
    return min(SHOWN, max(FEWEST, PIXELS // size**2))


def few_of_a_kind(ordered: Iterator[Suspect]) -> Iterator[Suspect]:
    """The first OF_A_KIND of each label that is taken for each other class."""
    seen: Counter[tuple[int, int]] = Counter()
    for each in ordered:
        seen[each.label, each.said] += 1
        if seen[each.label, each.said] <= OF_A_KIND:
            yield each
