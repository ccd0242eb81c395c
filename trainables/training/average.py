"""Averaged weights: an exponential average over the steps of training, which is validated, kept and exported in their place.

The weights of a network that is being trained jump from epoch to epoch, and a ranking by them is a ranking by luck; their average
over the last part of an epoch does not. The average starts as a copy at the end of the first epoch.
"""

import copy
import math
from typing import Any

from torch import Tensor, nn

MOST = 5  # steps from one update to the next


class Average:
    """A network whose weights and running statistics follow those of another, in the other's precision (float32).

    `after` is told of every step, and moves the average after every `every`-th and after the last of an epoch. An average over
    `horizon` epochs decays by exp(-1 / (horizon * steps)) a step.

    Attributes:
        model: the averaged network, ready to predict.
    """

    def __init__(self, model: nn.Module, horizon: float, steps: int) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.horizon, self.steps, self.every = horizon, steps, min(MOST, steps)
        pairs = list(zip(tensors(self.model), tensors(model), strict=True))
        self.real = [pair for pair in pairs if pair[0].is_floating_point()]
        self.whole = [pair for pair in pairs if not pair[0].is_floating_point()]

    def start(self) -> None:
        """Begin with a copy of the weights as they are now."""
        for mine, theirs in (*self.real, *self.whole):
            mine.copy_(theirs)

    def after(self, number: int) -> None:
        """Follow the step of this number in its epoch, from 1, if one of those after which the average moves."""
        since = number % self.every or self.every
        if since == self.every or number == self.steps:
            self.follow(since)

    def follow(self, steps: int) -> None:
        """Move towards the weights as they are now, for so many steps since the last time; counts are copied."""
        share = -math.expm1(-steps / (self.horizon * self.steps))
        for mine, theirs in self.real:
            mine.lerp_(theirs, share)
        for mine, theirs in self.whole:
            mine.copy_(theirs)

    def state_dict(self) -> dict[str, Any]:
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state)


def tensors(model: nn.Module) -> list[Tensor]:
    """Weights and buffers, without their gradients."""
    return [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]
