"""val.npz of a trial: what its best network made of each validation image."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Predictions(NamedTuple):
    """Which images were right, (images,), and the class of each, (images,), after which epoch."""

    correct: Array
    predicted: Array
    epoch: int


def read(folder: Path) -> Predictions:
    """Those in the folder of a trial.

    Raises:
        ValueError: they are not there, or cannot be read.
    """
    try:
        with (folder / "val.npz").open("rb") as file, np.load(file) as arrays:  # or a damaged one would stay open
            return Predictions(arrays["correct"], arrays["predicted"], int(arrays["epoch"]))
    except Exception as error:  # a damaged archive raises a dozen kinds, down to "encrypted, password required"
        raise ValueError(str(error)) from error
