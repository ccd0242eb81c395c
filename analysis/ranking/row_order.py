"""Sort the rows of a frame in the order of `search.run.order`, whatever the order of lines and files."""

import pandas as pd

from analysis.frame import valued
from search.run import order


def best_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows, best first. Rows with equal keys, as two runs may have them, keep their order."""
    objective = valued.objective_of(frame)
    columns = [frame[name].tolist() for name in ("status", objective.column, "index")]
    keys = [order.key(status, value, index, objective) for status, value, index in zip(*columns, strict=True)]
    return frame.iloc[sorted(range(len(keys)), key=keys.__getitem__)].reset_index(drop=True)


def rank(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows, best first, and add their place as the column `rank`, from 1."""
    ordered = best_first(frame)
    ordered.insert(0, "rank", range(1, len(ordered) + 1))
    return ordered
