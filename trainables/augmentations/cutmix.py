"""CutMix: crop, flip, and paste a box of another image (Yun et al. 2019, alpha = 1)."""

import torch
from torch import Generator, Tensor

from trainables.augmentations.batches import Mixture, Normalise, permutation, random, spans, take
from trainables.augmentations.standard import standard


def cutmix(images: Tensor, labels: Tensor, generator: Generator, normalise: Normalise) -> tuple[Tensor, Mixture]:
    """Crop and flip the images, normalise them, and paste a box of another image into each (CutMix)."""
    return pasted(normalise(standard(images, labels, generator)[0]), labels, generator)


def pasted(images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Mixture]:
    """Paste a box of another image of the batch into each image. The labels are weighted by area."""
    partner = permutation(images, generator)
    size = images.shape[-1]
    side = size * random(images, generator).sqrt()  # of the box: its area is uniform
    rows, columns = (spans(random(images, generator) * size, side, size) for _ in range(2))
    box = rows[:, :, None] & columns[:, None, :]
    weight = 1 - box.float().mean(dim=(1, 2))
    mixture = Mixture(labels, labels.index_select(0, partner), weight)
    return torch.where(box[:, None], take(images, partner), images), mixture
