"""Mirroring left to right."""

import torch
from torch import Generator, Tensor

from trainables.augmentations.batches import random


def flip(images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Mirror each image left to right with probability one half."""
    mirrored = random(images, generator) < 0.5
    both = torch.cat([images, images.flip(2)])  # whole images are copied much faster than bytes are chosen one by one
    return both.index_select(0, torch.arange(len(images), device=images.device) + len(images) * mirrored), labels
