"""How well predictions agree with labels, beyond one number; scikit-learn computes them."""

from typing import Any

import numpy as np

from trainables.objective import BALANCED_ACCURACY, MACRO_F1
from trainables.training.class_metrics import measure


def evaluate(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Metrics of logits (N, C) against labels (N,), all fractions from 0 to 1, as plain JSON values.

    `per_class_accuracy` has one number per class (its recall), None for a class without images, which is in no mean
    either; row i of `confusion_matrix` counts what images of class i were taken for.
    """
    from sklearn import metrics

    classes = np.arange(logits.shape[1])
    predicted = logits.argmax(axis=1)
    matrix = metrics.confusion_matrix(labels, predicted, labels=classes)
    return {
        "count": len(labels),
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "top5_accuracy": top5_accuracy(logits, labels),
        "balanced_accuracy": measure(BALANCED_ACCURACY.column, labels, predicted, len(classes)),
        "macro_f1": measure(MACRO_F1.column, labels, predicted, len(classes)),
        "per_class_accuracy": [row[own] / sum(row) if sum(row) else None for own, row in enumerate(matrix.tolist())],
        "confusion_matrix": matrix.tolist(),
    }


def top5_accuracy(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """Share of images whose label is among the five largest logits; none for five classes or fewer, where it says nothing."""
    from sklearn import metrics

    classes = logits.shape[1]
    if classes <= 5:
        return None
    return float(metrics.top_k_accuracy_score(labels, logits, k=5, labels=np.arange(classes)))
