"""The objective: the value of one column of the ledger at a trial's best epoch, the earliest of equal ones."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import Any, Self

from trainables.config import unknown
from trainables.errors import RunError, UsageError
from trainables.files.durable import Record

MODES = ("max", "min")
FORMS = ("percent", "decimals")  # a fraction from 0 to 1 that is written in per cent, or a number of any size
OF_OWN_METRICS = ("source", "digest")  # what a record says of these alone


@dataclass(frozen=True)
class Objective:
    """The one value that ranking, stopping, best epoch, kept weights, plots and words go by.

    Attributes:
        column: of a row of the ledger.
        mode: "max" where larger is better, else "min".
        form: one of FORMS; `trainables/written.py` writes values by it.
        source: of a metric of the user's own its name, such as `my_metrics.py:kappa`; empty for ours.
        digest: hash of what the function of that metric does, since two files may have two of one name.
    """

    column: str = "val_accuracy"
    mode: str = "max"
    form: str = "percent"
    source: str = ""
    digest: str = ""

    @classmethod
    def read(cls, record: Any, where: str) -> Self:
        """The value of what run.json says.

        Raises:
            RunError: it says something else.
        """
        always = cls().record().keys()
        known = isinstance(record, dict) and record.keys() in (always, {*always, *OF_OWN_METRICS})
        if not known or not is_sound(record):
            raise RunError(f"damaged run: {where}: objective is {record!r}. Restore the file from a copy.")
        return cls(**record)

    def __str__(self) -> str:
        return self.column

    @property
    def metric(self) -> str:
        """Its name on a command line."""
        return self.source or self.column.removeprefix("val_")

    def record(self) -> Record:
        """As it is written into run.json."""
        return {key: value for key, value in asdict(self).items() if value or key not in OF_OWN_METRICS}

    @property
    def is_accuracy(self) -> bool:
        """Whether it is the accuracy on images, the one objective to which tests over single images apply."""
        return self == ACCURACY

    @property
    def is_own(self) -> bool:
        """Whether it is of own training, which has no images."""
        return False

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which values lie, the smaller first."""
        return (0.0, 1.0) if self.form == "percent" else (-math.inf, math.inf)

    @property
    def worst(self) -> float:
        """The worst possible value."""
        return self.bounds[0] if self.mode == "max" else self.bounds[1]

    @property
    def ideal(self) -> float:
        """The best possible value."""
        return self.bounds[1] if self.mode == "max" else self.bounds[0]

    def signed(self, value: Any) -> Any:
        """The value, or an array of them, so that larger is better. The same function leads back."""
        return value if self.mode == "max" else -value

    def is_better(self, value: float, other: float) -> bool:
        return bool(self.signed(value) > self.signed(other))

    def best(self, values: Iterable[float]) -> float:
        """The best of one or several values."""
        return self._pick(values)

    def best_epoch(self, rows: Iterable[Record]) -> Record | None:
        """The best of these rows, which are in the order of their epochs; none of no rows."""
        best: Record | None = self._pick(rows, key=itemgetter(self.column), default=None)  # of equal ones the first
        return best

    @property
    def _pick(self) -> Any:
        return max if self.mode == "max" else min

    def place(self, value: float | None) -> float:
        """The sort key of a value, best first; absent values and NaN come last."""
        return math.inf if value is None or math.isnan(value) else -self.signed(value)

    def are_sound(self, values: list[Any]) -> bool:
        """Whether a ledger may hold these values: numbers, of a fraction from 0 to 1."""
        if not set(map(type, values)) <= {int, float}:
            return False
        low, high = self.bounds
        return low <= min(values, default=0) <= max(values, default=0) <= high and all(map(math.isfinite, values))


def is_sound(record: Record) -> bool:
    """Whether an objective can be made of this."""
    texts = all(isinstance(record[key], str) for key in record)
    return texts and record["mode"] in MODES and record["form"] in FORMS


@dataclass(frozen=True)
class OwnObjective(Objective):
    """That of own training, which is never the accuracy of images, however it is called."""

    @property
    def is_own(self) -> bool:
        return True


ACCURACY = Objective()
BALANCED_ACCURACY = Objective("val_balanced_accuracy")  # the mean over the classes of the accuracy of each
MACRO_F1 = Objective("val_macro_f1", "max", "decimals")  # the mean over the classes of the F1 of each
LOSS = Objective("val_loss", "min", "decimals")
METRICS = {  # by their name on a command line
    "accuracy": ACCURACY, "balanced_accuracy": BALANCED_ACCURACY, "macro_f1": MACRO_F1, "loss": LOSS,
}  # fmt: skip


def named(metric: str) -> Objective:
    """The objective of a metric.

    Raises:
        UsageError: there is none of that name.
    """
    if metric not in METRICS:
        raise UsageError(unknown("metric", metric, METRICS))
    return METRICS[metric]
