"""Dropout with fast random numbers on a CPU: sixteen bits for each value, four values from one 64-bit word.

torch's own dropout takes four times as long for its random numbers, which is more than a network takes for its activations. It
also cannot draw from a trial's own generator.
"""

import math

import torch
from torch import Generator, Tensor, nn

LEVELS = 1 << 16  # values of a random number; the probability is rounded to a multiple of 1 / LEVELS


class Dropout(nn.Module):
    """Zero each value with probability p and scale the others by 1 / (1 - p), in training only.

    Attributes:
        generator: the source of random numbers; None for torch's global random state.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: Generator | None = None

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return values
        kept = random_levels(values, self.generator) >= round(self.p * LEVELS) - LEVELS // 2
        return values * kept.to(values.dtype).mul_(1 / (1 - self.p))


def random_levels(values: Tensor, generator: Generator | None) -> Tensor:
    """A uniform random int16 number for each of the values, on the device of the values."""
    count = math.prod(values.shape)
    words = torch.empty((count + 3) // 4, dtype=torch.int64, device=values.device)
    return words.random_(-(2**63), None, generator=generator).view(torch.int16)[:count].view(values.shape)
