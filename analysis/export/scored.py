"""What was exported, held to what the search recorded: the accuracy on the validation images."""

from pathlib import Path

import numpy as np

from analysis.render.markdown import percent
from search.run.ledger import Trial
from trainables.data.loading import Split
from trainables.errors import RunError
from trainables.objective import ACCURACY
from trainables.written import count, plural

ALLOWED = (
    0.01  # of the images may change from right to wrong or back: the search trained on another device or in bfloat16
)
UNSEEN = "not scored, because the validation images are not here; name them with --dataset"


def words(folder: Path, trial: Trial, val: Split | None, predicted: np.ndarray) -> str:
    """How right the export is, elsewhere.

    Args:
        val: the images that were predicted, with their labels; none where they are not here.

    Raises:
        RunError: it is not as right as was recorded.
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
            f"not usable: {folder}: in a process without this project it gets {told}, but {percent(recorded)} % are recorded."
        )
    return f"{told}, as recorded" if not moved else f"{told}, {count(moved)} other than recorded"
