"""The loss of a batch, and the number of its correctly predicted images."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from trainables.parts import calling
from trainables.parts.family import LOSS
from trainables.training.augmentations import Batch


def mixed_loss(config: Mapping[str, Any], class_counts: Tensor) -> Callable[[Tensor, Batch], Tensor]:
    """The loss of a configuration: a function of logits float (N, classes) and a batch, the mean over the images.

    For mixed images a loss gets both labels and their weight if it has parameters `others` and `weight`; otherwise it gets the
    probabilities of the classes, (N, classes). A loss with a parameter `class_counts` gets the number of training images of
    each class, int64 (classes,).
    """
    part = calling.bound(LOSS, config)
    part = functools.partial(part, **calling.asked_for(part, {"class_counts": class_counts}))
    mixes = len(calling.asked_for(part, {"others": None, "weight": None})) == 2

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        if batch.weight is None:
            found = part(logits, batch.labels)
        elif mixes:
            found = part(logits, batch.labels, others=batch.others, weight=batch.weight)
        else:
            found = part(logits, probabilities(batch, logits.shape[1]))
        result: Tensor = found
        return result

    return loss


def probabilities(batch: Batch, classes: int) -> Tensor:
    """The class probabilities of mixed labels, float (N, classes)."""
    first, second = (F.one_hot(labels, classes).float() for labels in (batch.labels, batch.others))
    assert batch.weight is not None, "only what is mixed has a weight"
    return second.lerp(first, batch.weight[:, None])


def mixed_hits(logits: Tensor, batch: Batch) -> Tensor:
    """The number of correctly predicted images, (). A mixed image counts by the weight of the label that was predicted."""
    predicted = logits.argmax(1)
    if batch.labels.is_floating_point():  # a mixture of a user's own
        return batch.labels.gather(1, predicted[:, None]).sum()
    first = (predicted == batch.labels).float()
    if batch.weight is None:
        return first.sum()
    second = (predicted == batch.others).float()
    return (batch.weight * first + (1 - batch.weight) * second).sum()
