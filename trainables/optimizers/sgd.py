"""Stochastic gradient descent with Nesterov momentum."""

from typing import Annotated

import torch
from torch import nn

from trainables.parts.bounds import above, between


def sgd(
    model: nn.Module,
    lr: Annotated[float, above(0, 1e12)] = 0.1,
    momentum: Annotated[float, between(0, 0.9999)] = 0.9,
    weight_decay: Annotated[float, between(0, 1e12)] = 5e-4,
) -> torch.optim.Optimizer:
    """torch's SGD in its fused form over all weights, with Nesterov momentum if `momentum` is above 0."""
    nesterov = momentum > 0  # torch refuses Nesterov without momentum
    return torch.optim.SGD(model.parameters(), lr, momentum, weight_decay=weight_decay, nesterov=nesterov, fused=True)
