"""Cutout: crop, flip, and fill a square with the mean colour (DeVries & Taylor 2017)."""

import torch
from torch import Generator, Tensor

from trainables.augmentations.batches import Normalise, random, spans
from trainables.augmentations.standard import standard

SHARE = 0.5  # side of the square as a share of the image's side: in the paper 16 of 32 pixels


def cutout(images: Tensor, labels: Tensor, generator: Generator, normalise: Normalise) -> tuple[Tensor, Tensor]:
    """Crop and flip the images, normalise them, and set a square of each to the mean colour (Cutout)."""
    return erased(normalise(standard(images, labels, generator)[0]), generator), labels


def erased(images: Tensor, generator: Generator) -> Tensor:
    """Set a square around a random place of each normalised image to zero. The square may reach beyond the edge."""
    size = images.shape[-1]
    rows, columns = (spans(random(images, generator) * size, SHARE * size, size) for _ in range(2))
    nothing = images.new_zeros(())  # on the device: to copy a Python number there is forbidden in a captured graph
    holes = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(holes, nothing, images)  # unlike masked_fill, keeps the layout
