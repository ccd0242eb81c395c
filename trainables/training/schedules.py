"""The learning rate as a pure function of how far training is: nothing to save, nothing to restore."""

import math
from collections.abc import Mapping
from typing import Any

WARM_UP = 0.3  # share of onecycle that climbs
START = 0.04  # of the peak, where onecycle starts


def learning_rate(config: Mapping[str, Any], epoch: float, key: str = "lr") -> float:
    """The rate after `epoch` epochs (0 at the start, config["epochs"] at the end, fractions between), from config[key].

    cosine falls from it to 0 (Loshchilov & Hutter 2017); onecycle climbs to it and falls to 0 on two half cosines (Smith &
    Topin 2018, the momentum left alone). Both are sized for config["epochs"].
    """
    lr: float = config[key]
    done = epoch / config["epochs"]
    if config["schedule"] == "constant":
        return lr
    if config["schedule"] == "cosine":
        return lr * falling(done)
    if done < WARM_UP:
        return lr * (START + (1 - START) * (1 - falling(done / WARM_UP)))
    return lr * falling((done - WARM_UP) / (1 - WARM_UP))


def falling(share: float) -> float:
    """Half a cosine from 1 to 0 while share goes from 0 to 1."""
    return 0.5 * (1 + math.cos(math.pi * share))
