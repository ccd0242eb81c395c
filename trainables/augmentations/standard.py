"""Crop and flip, the usual augmentation of small images."""

from torch import Generator, Tensor

from trainables.augmentations.crop import crop
from trainables.augmentations.flip import flip


def standard(images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Take a random window of each image (see crop), and mirror the window with probability one half."""
    return flip(*crop(images, labels, generator), generator)
