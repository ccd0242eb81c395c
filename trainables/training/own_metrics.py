"""A user's own metrics of the validation images: a column of the ledger each, `val_` and the metric's name."""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from torch import Tensor

from trainables.objective import MODES, Objective
from trainables.parts import named
from trainables.parts.family import METRIC

Metric = Callable[[np.ndarray, np.ndarray], Any]  # labels and predicted classes, int64 (N,) each, to a number


def load(text: str) -> Metric:
    """A metric by its name, `my_metrics.py:kappa`; of a class an object of it.

    Raises:
        SpaceError: there is none.
    """
    part = named.load(METRIC, text)
    made: Any = part() if inspect.isclass(part) else part
    return cast(Metric, made)


def column(text: str) -> str:
    """Its name in the ledger."""
    return f"val_{text.rpartition(':')[2]}"


def objective(text: str) -> Objective:
    """The objective that goes by it: larger is better, unless the function has an attribute `mode` that is "min"."""
    mode = getattr(load(text), "mode", MODES[0])
    return Objective(column(text), mode if mode in MODES else MODES[0], "decimals")


def measure(texts: Sequence[str], labels: Tensor, logits: Tensor) -> dict[str, float]:
    """The columns of one epoch.

    Raises:
        ValueError: a metric is no finite number.
    """
    right, predicted = labels.cpu().numpy(), logits.argmax(1).cpu().numpy()
    found = {column(text): float(load(text)(right, predicted)) for text in texts}
    if odd := [key for key, value in found.items() if not math.isfinite(value)]:
        raise ValueError(f"{odd[0]} is {found[odd[0]]}, and must be a finite number")
    return found
