"""The objective: the value of one column of the ledger at a trial's best epoch, the earliest on ties."""

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
OF_OWN_METRICS = ("source", "digest")  # keys that only the record of a user's own metric has


@dataclass(frozen=True)
class Objective:
    """The value that decides ranking, stopping, the best epoch and the kept weights, and that plots and texts show.

    Attributes:
        column: its column in the ledger.
        mode: "max" if larger is better, "min" if smaller is better.
        form: one of FORMS, the way in which `trainables/written.py` writes values.
        source: the name of a user's own metric, such as `my_metrics.py:kappa`; empty for a built-in metric.
        digest: a hash of the code of a user's own metric, because two files may have metrics of one name; else empty.
    """

    column: str = "val_accuracy"
    mode: str = "max"
    form: str = "percent"
    source: str = ""
    digest: str = ""

    @classmethod
    def read(cls, record: Any, where: str) -> Self:
        """The objective from its record in run.json.

        Raises:
            RunError: the record is not that of an objective.
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
        """The name of the metric on a command line."""
        return self.source or self.column.removeprefix("val_")

    def record(self) -> Record:
        """The record that is written into run.json."""
        return {key: value for key, value in asdict(self).items() if value or key not in OF_OWN_METRICS}

    @property
    def is_accuracy(self) -> bool:
        """Whether the objective is the accuracy on images. Tests over single images apply to no other objective."""
        return self == ACCURACY

    @property
    def is_own(self) -> bool:
        """Whether the objective is that of a user's own training, which has no images."""
        return False

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest possible value."""
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
        """A value or an array, negated if smaller is better, so that larger is better. A second call undoes the first."""
        return value if self.mode == "max" else -value

    def is_better(self, value: float, other: float) -> bool:
        return bool(self.signed(value) > self.signed(other))

    def best(self, values: Iterable[float]) -> float:
        """The best of one or more values by the mode."""
        return self._pick(values)

    def best_epoch(self, rows: Iterable[Record]) -> Record | None:
        """The row of the best epoch, the first on ties; None if there are no rows. The rows are in the order of epochs."""
        best: Record | None = self._pick(rows, key=itemgetter(self.column), default=None)  # of equal ones the first
        return best

    @property
    def _pick(self) -> Any:
        return max if self.mode == "max" else min

    def place(self, value: float | None) -> float:
        """The key that sorts values best first; None and NaN come last."""
        return math.inf if value is None or math.isnan(value) else -self.signed(value)

    def are_sound(self, values: list[Any]) -> bool:
        """Whether a ledger may hold these values: finite numbers, for the form "percent" from 0 to 1."""
        if not set(map(type, values)) <= {int, float}:
            return False
        low, high = self.bounds
        return low <= min(values, default=0) <= max(values, default=0) <= high and all(map(math.isfinite, values))


def is_sound(record: Record) -> bool:
    """Whether all values of a record are texts with a known mode and form, so that they make an objective."""
    texts = all(isinstance(record[key], str) for key in record)
    return texts and record["mode"] in MODES and record["form"] in FORMS


@dataclass(frozen=True)
class OwnObjective(Objective):
    """The objective of a user's own training. It never counts as the accuracy on images, whatever its name is."""

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
        UsageError: there is no metric of that name.
    """
    if metric not in METRICS:
        raise UsageError(unknown("metric", metric, METRICS))
    return METRICS[metric]
