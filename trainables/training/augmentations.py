"""Batches as the network gets them: augmented by the configuration's augmentation, and normalised."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from trainables.augmentations.batches import Mixture
from trainables.parts import calling
from trainables.parts.family import AUGMENT


class Batch(NamedTuple):
    """A batch of images with two labels each and the weight (0 to 1) of the first label; the labels are equal if not mixed."""

    images: Tensor  # float (N, 3, S, S)
    labels: Tensor  # int64 (N,), or a user's own mixture as probabilities, float (N, classes)
    others: Tensor  # int64 (N,)
    weight: Tensor | None  # float (N,), None for all ones


def augment(
    config: Mapping[str, Any], images: Tensor, labels: Tensor, mean: Tensor, std: Tensor, generator: Generator
) -> Batch:
    """Augment and normalise one batch of uint8 images (N, S, S, 3); `mean` and `std` are those of `normalise`."""
    return augmentation(config, mean, std)(images, labels, generator)


def augmentation(config: Mapping[str, Any], mean: Tensor, std: Tensor) -> Callable[[Tensor, Tensor, Generator], Batch]:
    """The augmentation of a configuration. Images that it returns as uint8 are normalised; float images are left alone."""

    def normalised(images: Tensor) -> Tensor:
        return normalise(images, mean, std)

    part = calling.bound(AUGMENT, config)
    given = calling.asked_for(part, {"normalise": normalised})

    def batch(images: Tensor, labels: Tensor, generator: Generator) -> Batch:
        images, labels = part(images, labels, generator, **given)
        inputs = normalised(images) if images.dtype == torch.uint8 else images
        return Batch(inputs, *labels) if isinstance(labels, Mixture) else Batch(inputs, labels, labels, None)

    return batch


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Normalise images: uint8 (N, S, S, 3) to float (N, 3, S, S), channels last in memory.

    mean and std are (S * S * 3,): on the scale 0 to 255, and repeated for every pixel. On a CPU the subtraction of whole rows
    is several times faster than a subtraction that broadcasts three numbers.
    """
    rows = images.flatten(1).float()
    return rows.sub_(mean).div_(std).view(images.shape).permute(0, 3, 1, 2)
