"""Read val.npz of a trial: the predictions of its best network for each validation image."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Predictions(NamedTuple):
    """Whether each image is right, its predicted class, the epoch of the network, and the labels; arrays (images,).

    Old trials have kept no labels.
    """

    correct: Array
    predicted: Array
    epoch: int
    labels: Array | None = None


def read(folder: Path) -> Predictions:
    """Read the predictions in the folder of a trial.

    Raises:
        ValueError: the predictions are missing, or cannot be read.
    """
    try:
        with (folder / "val.npz").open("rb") as file, np.load(file) as arrays:  # or a damaged one would stay open
            labels = arrays["labels"] if "labels" in arrays.files else None
            return Predictions(arrays["correct"], arrays["predicted"], int(arrays["epoch"]), labels)
    except Exception as error:  # a damaged archive raises a dozen kinds, down to "encrypted, password required"
        raise ValueError(str(error)) from error
