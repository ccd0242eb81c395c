"""Crop, flip, and a blend of two images (Zhang et al. 2018, alpha = 1: a uniform weight)."""

from torch import Generator, Tensor

from trainables.augmentations.batches import Mixture, Normalise, permutation, random, take
from trainables.augmentations.standard import standard


def mixup(images: Tensor, labels: Tensor, generator: Generator, normalise: Normalise) -> tuple[Tensor, Mixture]:
    """On normalised images."""
    return blended(normalise(standard(images, labels, generator)[0]), labels, generator)


def blended(images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Mixture]:
    """Each image blended with another of the batch."""
    partner = permutation(images, generator)
    weight = random(images, generator)
    share = weight[:, None, None, None]
    mixture = Mixture(labels, labels.index_select(0, partner), weight)
    return share * images + (1 - share) * take(images, partner), mixture
