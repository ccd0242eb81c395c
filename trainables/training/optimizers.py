"""The optimizer of a configuration, and the learning rates of its parameter groups."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from trainables.optimizers.plain import mark_as_not_compiled
from trainables.optimizers.plain import plain_step as plain_step
from trainables.parts import calling
from trainables.training.schedules import schedule


class Optimizer(Protocol):
    """The interface that training needs of an optimizer; torch's own optimizers have it."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...
    @property
    def step(self) -> Callable[[], Any]: ...
    def zero_grad(self, set_to_none: bool = True) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Any, /) -> None: ...


BASE = "initial_lr"  # key of a group: its rate before the schedule's factor. torch's own schedulers use this key


def make_optimizer(config: Mapping[str, Any], model: nn.Module) -> Optimizer:
    """Make the optimizer of a network's weights, and note each group's first learning rate in the group under BASE."""
    mark_as_not_compiled()
    optimizer: Optimizer = calling.optimizer(config, model)
    for group in optimizer.param_groups:
        group[BASE] = float(group["lr"])
    return optimizer


def load_optimizer(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Load a saved state into an optimizer. The learning rates before the schedule stay those of the configuration."""
    rates = base_rates(optimizer)
    optimizer.load_state_dict(state)
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group[BASE] = rate


def base_rates(optimizer: Optimizer) -> list[float]:
    """The learning rate of each group before the schedule."""
    return [group[BASE] for group in optimizer.param_groups]


def states(optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimizer's state tensors, such as momentum, by a unique name; empty before the first step."""
    return {
        f"{type(part).__name__} {place} {name}": value
        for part in getattr(optimizer, "parts", (cast(Any, optimizer),))
        for place, weight in enumerate(weight for group in part.param_groups for weight in group["params"])
        for name, value in part.state.get(weight, {}).items()
        if isinstance(value, Tensor)
    }


def rate_table(config: Mapping[str, Any], rates: list[float], epoch: int, steps: int) -> Tensor:
    """The learning rate of each parameter group at each step of an epoch, float32 (steps, groups); epochs count from 1."""
    if config["schedule"] == "constant":
        return torch.tensor([rates]).repeat(steps, 1)
    factor = schedule(config)
    factors = [factor((epoch - 1 + step / steps) / config["epochs"]) for step in range(steps)]
    return torch.tensor([[rate * each for rate in rates] for each in factors])
