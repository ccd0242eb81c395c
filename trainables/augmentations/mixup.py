"""mixup: crop, flip, and blend two images (Zhang et al. 2018, alpha = 1: a uniform weight)."""

from torch import Generator, Tensor

from trainables.augmentations.batches import Mixture, Normalise, permutation, random, take
from trainables.augmentations.standard import standard


def mixup(images: Tensor, labels: Tensor, generator: Generator, normalise: Normalise) -> tuple[Tensor, Mixture]:
    """Crop and flip the images, normalise them, and blend each with another image of the batch (mixup)."""
    return blended(normalise(standard(images, labels, generator)[0]), labels, generator)


def blended(images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Mixture]:
    """Blend each image with another image of the batch, by a uniform random weight, which is also that of its label."""
    partner = permutation(images, generator)
    weight = random(images, generator)
    share = weight[:, None, None, None]
    mixture = Mixture(labels, labels.index_select(0, partner), weight)
    return share * images + (1 - share) * take(images, partner), mixture
