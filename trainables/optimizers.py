"""The optimizers: torch's fused ones, without the import of torch's compiler that their first use brings.

That import takes two to three seconds in every worker, as long as torch itself, and nothing here is compiled.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn


def make_optimizer(config: Mapping[str, Any], model: nn.Module) -> torch.optim.Optimizer:
    """AdamW with `momentum` as its first beta, or SGD with Nesterov momentum; one fused pass over all weights."""
    mark_as_not_compiled()
    lr, momentum, decay = config["lr"], config["momentum"], config["weight_decay"]
    if config["optimizer"] == "adamw":
        return torch.optim.AdamW(model.parameters(), lr, (momentum, 0.999), weight_decay=decay, fused=True)
    nesterov = momentum > 0  # torch refuses Nesterov without momentum
    return torch.optim.SGD(model.parameters(), lr, momentum, weight_decay=decay, nesterov=nesterov, fused=True)


def plain_step(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    """`optimizer.step` without the wrapper that imports the compiler; the arithmetic is the same."""
    step = inspect.unwrap(type(optimizer).step)

    def apply() -> None:
        with torch.no_grad():
            step(optimizer)

    return apply


def mark_as_not_compiled() -> None:
    """Tell torch that the other methods of its optimizers are hidden from the compiler already.

    Their wrapper imports the compiler on its first call, unless this attribute is there. Should torch change that,
    training only starts later.
    """
    for method in vars(torch.optim.Optimizer).values():
        original = getattr(method, "__wrapped__", None)
        if original is not None and "torch._dynamo" not in sys.modules:
            original.__dynamo_disable = original
