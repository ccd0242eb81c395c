"""Cross-entropy, with label smoothing if one likes."""

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor

from trainables.parts.bounds import between


def cross_entropy(
    logits: Tensor, labels: Tensor, others: Tensor | None = None, weight: Tensor | None = None,
    label_smoothing: Annotated[float, between(0, 0.9999)] = 0.0,
) -> Tensor:  # fmt: skip
    """The mean over the images of logits (N, classes), nats.

    Of mixed images it is that of both labels, `labels` and `others`, int64 (N,), by the `weight` of the first, float (N,).
    """
    if others is None or weight is None:
        return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    first = F.cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction="none")
    second = F.cross_entropy(logits, others, label_smoothing=label_smoothing, reduction="none")
    return (weight * first + (1 - weight) * second).mean()
