"""Metrics of predictions against labels. They are computed as in scikit-learn, without the second it takes to load."""

from typing import Any

import numpy as np

from trainables.objective import ACCURACY, BALANCED_ACCURACY, MACRO_F1
from trainables.training.class_metrics import measure


def evaluate(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Metrics of logits (N, C) against labels (N,), all fractions from 0 to 1, as plain JSON values.

    `per_class_accuracy` has one number per class (its recall), and None for a class without images. No mean includes a class
    without images. Entry i, j of `confusion_matrix` counts the images of class i that were predicted as class j.
    """
    classes = logits.shape[1]
    predicted = logits.argmax(axis=1)
    matrix = confusion_matrix(labels, predicted, classes).tolist()
    return {
        "count": len(labels),
        "accuracy": measure(ACCURACY.column, labels, predicted, classes),
        "top5_accuracy": top5_accuracy(logits, labels),
        "balanced_accuracy": measure(BALANCED_ACCURACY.column, labels, predicted, classes),
        "macro_f1": measure(MACRO_F1.column, labels, predicted, classes),
        "per_class_accuracy": [row[own] / sum(row) if sum(row) else None for own, row in enumerate(matrix)],
        "confusion_matrix": matrix,
    }


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts (classes, classes) of pairs of label and predicted class, each (N,)."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def top5_accuracy(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """Share of images whose label is among the five largest logits; None for five classes or fewer, where it is always 1."""
    if logits.shape[1] <= 5:
        return None
    largest = np.argsort(logits, axis=1, kind="stable")[:, -5:]  # of equal logits those of later classes
    return float((largest == labels[:, None]).any(axis=1).mean())
