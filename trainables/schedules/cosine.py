"""The learning rate falls to zero on half a cosine (Loshchilov & Hutter 2017)."""

import math


def cosine(done: float) -> float:
    """The factor of the learning rate, 1 to 0, after the share `done` of training, 0 to 1."""
    return 0.5 * (1 + math.cos(math.pi * done))
