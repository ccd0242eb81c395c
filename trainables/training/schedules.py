"""The learning rate as a pure function of the share of training done, so a schedule has no state to save."""

from collections.abc import Callable, Mapping
from typing import Any

from trainables.parts import calling
from trainables.parts.family import SCHEDULE

Schedule = Callable[[float], float]  # share of training done, 0 to 1, to the factor of the rate


def schedule(config: Mapping[str, Any]) -> Schedule:
    """The schedule of a configuration: a function from the share of training done, 0 to 1, to a factor of the rate."""
    return calling.bound(SCHEDULE, config)


def learning_rate(config: Mapping[str, Any], rate: float, epoch: float) -> float:
    """The learning rate after `epoch` epochs, of a base rate (0 at the start, config["epochs"] at the end, with fractions)."""
    return rate * schedule(config)(epoch / config["epochs"])
