"""Building blocks of augmentations: mixtures of images, boxes of pixels, random numbers for each image.

Images come in as uint8 (N, S, S, 3), the way they are stored; crop and flip move bytes and work on those. The others ask for
`normalise` and work on what it makes, (N, 3, S, S), where zero is the mean colour.
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
    """Boolean (N, size): the pixels less than half of length (scalar or (N,)) away from centre (N,)."""
    half = (
        length[:, None] / 2 if isinstance(length, Tensor) else length / 2
    )  # a number made a tensor would wait for a GPU
    pixels = torch.arange(size, device=centre.device) + 0.5
    return (pixels - centre[:, None]).abs() < half


def take(images: Tensor, chosen: Tensor) -> Tensor:
    """The chosen of normalised images; indexing a view that is permuted would copy number by number."""
    return images.permute(0, 2, 3, 1).index_select(0, chosen).permute(0, 3, 1, 2)


def random(images: Tensor, generator: Generator) -> Tensor:
    """One uniform number from 0 to 1 for each image."""
    return torch.rand(len(images), device=images.device, generator=generator)


def permutation(images: Tensor, generator: Generator) -> Tensor:
    """A partner for each image, every image once."""
    return torch.randperm(len(images), device=images.device, generator=generator)
