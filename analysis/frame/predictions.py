"""val.npz of a trial: what its best network made of each validation image."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Predictions(NamedTuple):
    """Which images were right, the class each was taken for, after which epoch, and their labels; arrays (images,).

    Trials of old have kept no labels.
    """

    correct: Array
    predicted: Array
    epoch: int
    labels: Array | None = None


def read(folder: Path) -> Predictions:
    """Those in the folder of a trial.

    Raises:
        ValueError: they are not there, or cannot be read.
    """
    try:
        with (folder / "val.npz").open("rb") as file, np.load(file) as arrays:  # or a damaged one would stay open
            labels = arrays["labels"] if "labels" in arrays.files else None
            return Predictions(arrays["correct"], arrays["predicted"], int(arrays["epoch"]), labels)
    except Exception as error:  # a damaged archive raises a dozen kinds, down to "encrypted, password required"
        raise ValueError(str(error)) from error
