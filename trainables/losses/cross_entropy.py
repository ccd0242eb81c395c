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
    """The mean over the images of logits (N, classes), nats.

    Of mixed images it is that of both labels, `labels` and `others`, int64 (N,), by the `weight` of the first, float (N,).
    With `class_weight` balanced an image counts in inverse proportion to the training images of its class,
    `class_counts`, int64 (classes,), so that over all training images the mean weight is 1.
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
    """The weight of an image of each class, float32 (classes,)."""
    return (counts.sum() / (counts > 0).sum() / counts.clamp(min=1)).float()


def of_each(logits: Tensor, labels: Tensor, label_smoothing: float, weights: Tensor | None) -> Tensor:
    """Cross-entropy of each image, float (N,), times what its class counts."""
    loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction="none")
    return loss if weights is None else loss * weights.index_select(0, labels)
