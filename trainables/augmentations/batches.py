"""Building blocks of augmentations: mixtures of images, boxes of pixels, random numbers for each image.

Images come in as they are stored, uint8 (N, S, S, 3). Crop and flip work on these bytes. The other augmentations have a
parameter `normalise` and work on its result, float (N, 3, S, S), in which zero is the mean colour.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

Normalise = Callable[[Tensor], Tensor]  # uint8 (N, S, S, 3) to float (N, 3, S, S)


class Mixture(NamedTuple):
    """Two labels for each image, and the weight (0 to 1) of the first."""

    labels: Tensor  # int64 (N,)
    others: Tensor  # int64 (N,)
    weight: Tensor  # float (N,)


def spans(centre: Tensor, length: Tensor | float, size: int) -> Tensor:
    """Boolean (N, size): whether a pixel is less than half of `length` (scalar or (N,)) away from `centre` (N,)."""
    half = (
        length[:, None] / 2 if isinstance(length, Tensor) else length / 2
    )  # a number made a tensor would wait for a GPU
    pixels = torch.arange(size, device=centre.device) + 0.5
    return (pixels - centre[:, None]).abs() < half


def take(images: Tensor, chosen: Tensor) -> Tensor:
    """The chosen ones of normalised images (N, 3, S, S). Indexing the permuted view itself would copy single numbers."""
    return images.permute(0, 2, 3, 1).index_select(0, chosen).permute(0, 3, 1, 2)


def random(images: Tensor, generator: Generator) -> Tensor:
    """One uniform number from 0 to 1 for each image."""
    return torch.rand(len(images), device=images.device, generator=generator)


def permutation(images: Tensor, generator: Generator) -> Tensor:
    """The position of a random partner for each image, int64 (N,). Every image is the partner of one image."""
    return torch.randperm(len(images), device=images.device, generator=generator)
