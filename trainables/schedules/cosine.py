"""From the rate to zero on half a cosine (Loshchilov & Hutter 2017)."""

import math


def cosine(done: float) -> float:
    """The factor of the rate when this share of training is done, 0 to 1."""
    return 0.5 * (1 + math.cos(math.pi * done))
