"""The learning rate rises and then falls to zero on two half cosines (Smith & Topin 2018, but with constant momentum)."""

import math

WARM_UP = 0.3  # share of training in which the rate rises
START = 0.04  # factor of the rate at the start of training


def onecycle(done: float) -> float:
    """The factor of the learning rate after the share `done` of training, 0 to 1: from START up to 1 and down to 0."""
    if done < WARM_UP:
        return START + (1 - START) * (1 - falling(done / WARM_UP))
    return falling((done - WARM_UP) / (1 - WARM_UP))


def falling(share: float) -> float:
    """Half a cosine, which falls from 1 to 0 while `share` goes from 0 to 1."""
    return 0.5 * (1 + math.cos(math.pi * share))
