"""Optimizers of torch without the import of its compiler that their first use brings.

That import takes two to three seconds in every worker, as long as torch itself, and nothing here is compiled.
"""

import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch


def plain_step(optimizer: Any) -> Callable[[], None]:
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
