"""Use torch's optimizers without importing torch's compiler, which their first use would import.

The import takes two to three seconds in every worker, as long as torch itself, and no optimizer here is compiled.
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
    """Mark the methods of torch's optimizers as already hidden from the compiler.

    The wrapper of a method imports the compiler on its first call, unless the method has the attribute `__dynamo_disable`. If a
    new torch ignores the attribute, training only starts later.
    """
    for method in vars(torch.optim.Optimizer).values():
        original = getattr(method, "__wrapped__", None)
        if original is not None and "torch._dynamo" not in sys.modules:
            original.__dynamo_disable = original
