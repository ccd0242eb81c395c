"""Validation images that the winner gets wrong: examples to look at, the surest mistakes first.

A trial keeps the class that its network predicts for each image, but no probabilities. So the surest mistake is the one that
most of the best networks share. At most OF_A_KIND examples of each pair of classes are taken, because otherwise a single pair of
classes could fill the list.
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
OTHERS = 100  # networks that are asked how sure a mistake is; reading the predictions of thousands would take long
PIXELS = 12 * 224**2  # in all examples together, so that fewer large images are shown


@dataclass(frozen=True)
class Mistakes:
    """Examples of the images that a network gets wrong, with the number of wrong images and of all images."""

    trial: Trial
    examples: Sequence[Suspect]
    wrong: int
    images: int
    networks: int  # of the best finished networks, those with predictions for the same images


def find(run: Run, where: Standing) -> Mistakes | None:
    """Find the winner's mistakes; None if there is no winner, or if the winner kept no labels or makes no mistake."""
    trial = confirmation.winner(run)
    try:
        own = predictions.read(trial.folder) if trial else None
    except ValueError:
        return None
    if trial is None or own is None or own.labels is None:
        return None
    others = [each.predicted for each in kept(where, trial.fold, OTHERS) if len(each.predicted) == len(own.labels)]
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
    """How many examples are shown if each image has `size` pixels a side."""
    return min(SHOWN, max(FEWEST, PIXELS // size**2))


def few_of_a_kind(ordered: Iterator[Suspect]) -> Iterator[Suspect]:
    """Yield the first OF_A_KIND examples of each pair of a label and the class predicted instead."""
    seen: Counter[tuple[int, int]] = Counter()
    for each in ordered:
        seen[each.label, each.said] += 1
        if seen[each.label, each.said] <= OF_A_KIND:
            yield each
