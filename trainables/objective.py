"""What a trial is judged by: the validation accuracy of its best epoch, the earliest of equal ones. Larger is better."""

import math
from collections.abc import Iterable
from operator import itemgetter

from trainables.durable import Record

COLUMN, MODE = "val_accuracy", "max"  # of a row of the ledger


def is_better(value: float, other: float) -> bool:
    return value > other


def best_epoch(rows: Iterable[Record]) -> Record | None:
    """The best of these rows, which are in the order of their epochs; none of no rows."""
    return max(rows, key=itemgetter(COLUMN), default=None)  # of equal ones max takes the first


def place(value: float | None) -> float:
    """What values are sorted by, best first; those that are absent, or NaN, come last."""
    return math.inf if value is None or math.isnan(value) else -value
