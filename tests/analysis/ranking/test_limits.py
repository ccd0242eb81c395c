"""No interval leaves what a metric can be: pytest tests/analysis/ranking/test_limits.py"""

import math

import numpy as np
import pandas as pd
import pytest

from analysis.frame import valued
from analysis.ranking import best_interval
from trainables.objective import BALANCED_ACCURACY, LOSS, MACRO_F1, Objective, OwnObjective

OWN = Objective("val_cost", "min", "decimals")


@pytest.mark.parametrize(
    ("objective", "limits"),
    [
        (LOSS, (0, math.inf)),
        (MACRO_F1, (0, 1)),
        (BALANCED_ACCURACY, (0, 1)),
        (OWN, (-math.inf, math.inf)),
        (OwnObjective("val_loss", "min", "decimals"), (-math.inf, math.inf)),
    ],
)
def test_the_interval_of_the_best_stays_within_what_its_metric_can_be(objective, limits):
    far = np.array([[0.02, 0.99, 0.5], [0.1, 0.9, 0.6]])
    ranked = pd.DataFrame({"low": [0.1, 0.1], "high": [0.9, 0.9], "status": "finished", "objective": [objective] * 2})
    ranked[objective.column] = far.mean(axis=1)
    found = best_interval.best_configuration(ranked, far)
    assert valued.limits(objective) == limits
    assert found["low"].iloc[0] >= limits[0] and found["high"].iloc[0] <= limits[1]
    assert (found["low"].iloc[0] < 0) == (limits[0] < 0)
