"""Averaged weights: an exponential average over training steps, which is validated and kept in place of the last weights.

The validation score of the last weights jumps from epoch to epoch, so a ranking by it is partly luck. The score of the averaged
weights jumps less. The average starts as a copy of the weights at the end of the first epoch.
"""

import copy
import math
from typing import Any

from torch import Tensor, nn

MOST = 5  # steps from one update to the next


class Average:
    """A copy of a network whose weights and running statistics are averages of the network's, in the same precision.

    Call `after` after every step. The average is updated after every `every`-th step and after the last step of an epoch.
    An average over `horizon` epochs decays by exp(-1 / (horizon * steps)) a step.

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
        """Set the average to the network's present weights and buffers."""
        for mine, theirs in (*self.real, *self.whole):
            mine.copy_(theirs)

    def after(self, number: int) -> None:
        """Update the average if it is due after this step; steps are numbered from 1 in each epoch."""
        since = number % self.every or self.every
        if since == self.every or number == self.steps:
            self.follow(since)

    def follow(self, steps: int) -> None:
        """Move the average towards the present weights, by the decay of this many steps. Integer buffers are copied."""
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
    """The weights and buffers of a network, detached from the gradient."""
    return [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]
