"""Metrics from three counts of each class: its images, those predicted correctly, and all predictions of the class."""

from collections.abc import Callable

import numpy as np

from trainables.objective import ACCURACY, BALANCED_ACCURACY, MACRO_F1

Array = np.ndarray


def accuracy(right: Array, images: Array, _: Array) -> Array:
    """Share of the images that are predicted correctly, 0 to 1. All arrays are (..., classes); the result is (...)."""
    return np.asarray(right.sum(-1) / images.sum(-1))


def balanced_accuracy(right: Array, images: Array, _: Array) -> Array:
    """Mean recall over the classes that have images, 0 to 1. The shapes are those of `accuracy`."""
    there = images > 0
    shares = np.divide(right, images, out=np.zeros(right.shape), where=there)
    return np.asarray(shares.sum(-1) / there.sum(-1))


def macro_f1(right: Array, images: Array, taken: Array) -> Array:
    """Mean F1 over the classes that have images, 0 to 1. A class without images would wrongly count as 0.

    Args:
        right: correctly predicted images of each class, (..., classes).
        images: images of each class.
        taken: images that were predicted as each class.
    """
    there = images > 0
    own = np.divide(2 * right, images + taken, out=np.zeros(right.shape), where=there)
    return np.asarray(own.sum(-1) / there.sum(-1))


MEASURES: dict[str, Callable[[Array, Array, Array], Array]] = {  # by the column of their objective
    ACCURACY.column: accuracy,
    BALANCED_ACCURACY.column: balanced_accuracy,
    MACRO_F1.column: macro_f1,
}


def measure(column: str, labels: Array, predicted: Array, classes: int) -> float:
    """The metric of MEASURES named `column` on a whole split; labels and predicted classes are int64 (N,)."""
    counts = (np.bincount(each, minlength=classes) for each in (labels[labels == predicted], labels, predicted))
    return float(MEASURES[column](*counts))
