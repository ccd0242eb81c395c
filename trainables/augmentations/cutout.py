"""Crop, flip, and a square of the mean colour (DeVries & Taylor 2017)."""

import torch
from torch import Generator, Tensor

from trainables.augmentations.batches import Normalise, random, spans
from trainables.augmentations.standard import standard

SHARE = 0.5  # of the side of the image that the side of the square has: in the paper 16 of 32 pixels


def cutout(images: Tensor, labels: Tensor, generator: Generator, normalise: Normalise) -> tuple[Tensor, Tensor]:
    """On normalised images."""
    return erased(normalise(standard(images, labels, generator)[0]), generator), labels


def erased(images: Tensor, generator: Generator) -> Tensor:
    """Erase a square around a random pixel of each image; it may hang over the edge."""
    size = images.shape[-1]
    rows, columns = (spans(random(images, generator) * size, SHARE * size, size) for _ in range(2))
    nothing = images.new_zeros(())  # on the device: a number of Python's would be sent there, which no graph may
    holes = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(holes, nothing, images)  # unlike masked_fill, keeps the layout
