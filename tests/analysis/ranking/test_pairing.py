"""Two trainings on the same images: paired where predictions are there, else by the counts alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.ranking import pairing
from search.run.ledger import Run, Trial

IMAGES = 300


def test_with_predictions_it_is_mcnemars_test(
    trial: Callable[..., Trial],
    run: Callable[..., Run],
    save: Callable[[Path, Run], Path],
    correct: Callable[[Path, Trial, np.ndarray], None],
    tmp_path: Path,
) -> None:
    """The same images wrong and 20 more is clear; without predictions the difference drowns in the images."""
    right = [np.arange(IMAGES) >= 60, np.arange(IMAGES) >= 80]
    trials = [trial(place, (hits.mean(),), lr=0.1 / (place + 1)) for place, hits in enumerate(right)]
    folder = save(tmp_path / "run", run(trials))
    sides = [(folder / each.folder, each.epochs[0]) for each in trials]
    unpaired, is_paired = pairing.p_value(sides[0], sides[1], IMAGES)
    assert not is_paired
    assert unpaired > 0.05
    for each, hits in zip(trials, right, strict=True):
        correct(folder, each, hits)
    paired, is_paired = pairing.p_value(sides[0], sides[1], IMAGES)
    assert is_paired
    assert paired == pytest.approx(stats.binomtest(0, 20).pvalue)
