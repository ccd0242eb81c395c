"""Up to the rate and down to zero on two half cosines (Smith & Topin 2018, the momentum left alone)."""

import math

WARM_UP = 0.3  # share of training that climbs
START = 0.04  # of the peak, where it starts


def onecycle(done: float) -> float:
    """The factor of the rate when this share of training is done, 0 to 1."""
    if done < WARM_UP:
        return START + (1 - START) * (1 - falling(done / WARM_UP))
    return falling((done - WARM_UP) / (1 - WARM_UP))


def falling(share: float) -> float:
    """Half a cosine from 1 to 0 while share goes from 0 to 1."""
    return 0.5 * (1 + math.cos(math.pi * share))
