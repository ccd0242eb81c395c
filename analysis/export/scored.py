"""Compare the validation accuracy of an export with the validation accuracy that the search recorded."""

from pathlib import Path

import numpy as np

from analysis.render.markdown import percent
from search.run.ledger import Trial
from trainables.data.loading import Split
from trainables.errors import RunError
from trainables.objective import ACCURACY
from trainables.written import count, plural

ALLOWED = (
    0.01  # share of the images by which the accuracy may differ: the search may have used another device or bfloat16
)
UNSEEN = "not scored, because the validation images are not here; name them with --dataset"


def words(folder: Path, trial: Trial, val: Split | None, predicted: np.ndarray) -> str:
    """The accuracy of an export in a process without this project, in words, compared with the recorded accuracy.

    Args:
        val: the validation images that were predicted, with their labels; None if they are not on this machine.
        predicted: the predicted class of each of these images.

    Raises:
        RunError: the accuracy differs too much from the recorded accuracy.
    """
    if val is None:
        return UNSEEN
    assert trial.best is not None, "only what was trained is exported"
    recorded, images = trial.best[ACCURACY.column], len(val.labels)
    right = int((predicted == val.labels).sum())
    moved = abs(right - round(recorded * images))
    told = f"{percent(right / images)} % of {plural(images, 'validation image')} right"
    if moved > max(1, ALLOWED * images):
        raise RunError(
            f"not usable: {folder}: in a process without this project it gets {told}, but {percent(recorded)} % are recorded. "
            "Do not use this export; try --retrain."
        )
    return f"{told}, as recorded" if not moved else f"{told}, {count(moved)} other than recorded"
