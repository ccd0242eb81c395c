"""A run folder as values: its trials as a pandas frame, predictions, ranges, timing, images.

Notebooks use `read`. pandas is imported when `read` is called: other modules of this package need no pandas.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read"]


def read(*folders: Path | str) -> "pd.DataFrame":
    """The frame of one or several run folders, a row for each trial.

    Raises:
        RunError: a folder is no run, or is damaged.
    """
    from analysis.frame import dataframe

    return dataframe.read(*folders)
