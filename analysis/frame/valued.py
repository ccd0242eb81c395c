"""The value that rows of a frame are ranked by. Each row knows its objective; a row without one has accuracy."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from search.run.ledger import Run
from trainables.errors import RunError
from trainables.objective import ACCURACY, LOSS, MACRO_F1, Objective

AbstractRow = Mapping[Any, Any] | pd.Series
LIMITS = {MACRO_F1: (0.0, 1.0), LOSS: (0.0, math.inf)}  # of images; of own training of these names nothing is known


def objective_of(rows: pd.DataFrame) -> Objective:
    """The objective that all rows of a frame share. An empty frame has the objective of the runs it was loaded from."""
    known: Objective = rows.attrs.get("objective", ACCURACY)
    return own(rows.iloc[0]) if len(rows) else known


def limits(objective: Objective) -> tuple[float, float]:
    """The smallest and the largest possible value. An interval that reaches beyond these says nothing more."""
    return LIMITS.get(objective, objective.bounds)


def values(rows: pd.DataFrame) -> pd.Series:
    """The values of a frame."""
    return rows[objective_of(rows).column]


def own(row: AbstractRow) -> Objective:
    """The objective of one row."""
    found: Objective = row.get("objective", ACCURACY)
    return found


def value(row: AbstractRow) -> float:
    """The value of one row; NaN or None if it has none."""
    found: float = row[own(row).column]
    return found


def shared(runs: Sequence[Run]) -> Objective:
    """The objective that several runs share.

    Raises:
        RunError: the runs have different objectives.
    """
    other = next((run for run in runs if run.identity.objective != runs[0].identity.objective), runs[0])
    if other is not runs[0]:
        names = [f"{run.name} by {run.identity.objective.column}" for run in (runs[0], other)]
        are_ours = all(run.identity.has_images for run in runs)
        way_out = ", or rank all by a built-in metric: --metric accuracy" if are_ours else ""
        raise RunError(
            f"nothing to compare: {' and '.join(names)}: they are ranked by different metrics. Name runs with the same "
            f"objective{way_out}."
        )
    return runs[0].identity.objective
