"""The value of a user's own metric: a function of labels and predicted classes, or a class of such functions."""

import inspect
import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from trainables.parts import named, whose
from trainables.parts.family import METRIC

Metric = Callable[[np.ndarray, np.ndarray], Any]  # labels and predicted classes, int64 (N,) each, to a number


class MetricError(Exception):
    """A metric raised an exception or gave no finite number. Even an OSError in a metric is no fault of the machine."""


def measure(text: str, labels: np.ndarray, predicted: np.ndarray) -> float:
    """The value of a metric by its name, such as `my_metrics.py:kappa`, for labels and predicted classes int64 (N,).

    The metric gets copies of both arrays, because it may write into them.

    Raises:
        MetricError: the metric raises an exception or gives no finite number.
        SpaceError: there is no metric of that name.
    """
    part: Any = named.load(METRIC, text)
    try:
        metric = cast(Metric, part() if inspect.isclass(part) else part)
        found = metric(labels.copy(), predicted.copy())
    except Exception as error:
        raise MetricError(f"metric {text} fails: {whose.said(error)}") from error
    if isinstance(found, bool) or not isinstance(found, int | float | np.integer | np.floating):
        raise MetricError(f"metric {text} gives a {type(found).__name__}, not a number. Return a float.")
    if not math.isfinite(found):
        raise MetricError(f"metric {text} gives {found}, not a finite number.")
    return float(found)
