"""median: at every epoch from grace_period on, a trial stops if its best value so far is below the median of the others.

Source: Golovin et al., "Google Vizier: A Service for Black-Box Optimization" (KDD 2017), section 3.2.1, as in Ray's
MedianStoppingRule: the median is of the running averages of the others that were at that epoch before it. Values before
grace_period do not count. A test checks that both make the same decisions.
"""

from collections.abc import Sequence

import numpy as np

from search.stopping.base import Arriving
from trainables.files.durable import Record

FEWEST = 3  # other trials at an epoch before their median says anything


class Median(Arriving):
    reads = ("grace_period",)
    keeps_a_share = False

    def settings(self, grace_period: int, reduction_factor: int, budget: int | None, share: float) -> Record:
        return {"grace_period": grace_period, "reduction_factor": 2}

    def rungs(self, scheduler: Record, epochs: int) -> Sequence[int]:
        return range(scheduler["grace_period"], epochs)

    def judge(self, scheduler: Record, before: Sequence[float], curve: Sequence[float]) -> tuple[bool, float | None]:
        if len(before) < FEWEST:
            return False, None
        bar = (before[(len(before) - 1) // 2] + before[len(before) // 2]) / 2
        return max(curve) < bar, bar

    def standing(self, curve: Sequence[float]) -> float:
        return float(np.mean(curve))


RULE = Median()
