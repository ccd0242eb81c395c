"""Cross-entropy, optionally with label smoothing or class weights."""

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor

from trainables.parts.bounds import among, between


def cross_entropy(
    logits: Tensor, labels: Tensor, others: Tensor | None = None, weight: Tensor | None = None,
    class_counts: Tensor | None = None, label_smoothing: Annotated[float, between(0, 0.9999)] = 0.0,
    class_weight: Annotated[str, among("none", "balanced")] = "none",
) -> Tensor:  # fmt: skip
    """The mean cross-entropy, in nats, of logits (N, classes) and labels.

    Args:
        labels: int64 (N,), or without balanced weights also probabilities of the classes, float (N, classes).
        others: the second labels of mixed images, int64 (N,). The loss of a mixed image is the weighted mean over both labels.
        weight: the weight of the first label, 0 to 1, float (N,).
        class_counts: the number of training images of each class, int64 (classes,).
        label_smoothing: the share of the target probability that is spread evenly over all classes.
        class_weight: "balanced" weights an image in inverse proportion to the training images of its class, so that the mean
            weight over all training images is 1.
    """
    weights = balanced(class_counts) if class_weight == "balanced" and class_counts is not None else None
    if weights is None and (others is None or weight is None):
        return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    first = of_each(logits, labels, label_smoothing, weights)
    if others is None or weight is None:
        return first.mean()
    second = of_each(logits, others, label_smoothing, weights)
    return (weight * first + (1 - weight) * second).mean()


def balanced(counts: Tensor) -> Tensor:
    """The balanced weight of an image of each class, from the numbers of training images, float32 (classes,)."""
    return (counts.sum() / (counts > 0).sum() / counts.clamp(min=1)).float()


def of_each(logits: Tensor, labels: Tensor, label_smoothing: float, weights: Tensor | None) -> Tensor:
    """The cross-entropy of each image times the weight of its class, float (N,); unweighted without `weights`."""
    loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction="none")
    return loss if weights is None else loss * weights.index_select(0, labels)
