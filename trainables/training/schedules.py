"""The learning rate as a pure function of how far training is: nothing to save, nothing to restore."""

from collections.abc import Callable, Mapping
from typing import Any

from trainables.parts import calling
from trainables.parts.family import SCHEDULE

Schedule = Callable[[float], float]  # share of training done, 0 to 1, to the factor of the rate


def schedule(config: Mapping[str, Any]) -> Schedule:
    """The schedule of a configuration."""
    return calling.bound(SCHEDULE, config)


def learning_rate(config: Mapping[str, Any], rate: float, epoch: float) -> float:
    """A rate after `epoch` epochs (0 at the start, config["epochs"] at the end, fractions between)."""
    return rate * schedule(config)(epoch / config["epochs"])
