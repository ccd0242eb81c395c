"""asha: a trial stops at a rung if it is worse than the best 1/reduction_factor of the trials that were there before it.

Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning" (MLSys 2020), in the variant that only stops (Ray's
AsyncHyperBandScheduler). A test checks that both make the same decisions.
"""

import math
from collections.abc import Sequence

from search.stopping.base import Arriving, milestones
from trainables.files.durable import Record


class Asha(Arriving):
    def rungs(self, scheduler: Record, epochs: int) -> Sequence[int]:
        return milestones(scheduler["grace_period"], scheduler["reduction_factor"], epochs)

    def judge(self, scheduler: Record, before: Sequence[float], curve: Sequence[float]) -> tuple[bool, float | None]:
        bar = cutoff(before, scheduler["reduction_factor"])
        return bar is not None and curve[-1] < bar, bar


def cutoff(ordered: Sequence[float], reduction_factor: int) -> float | None:
    """The value that a trial must reach at a rung, from the values seen there, ascending; None if none was seen.

    The cutoff is numpy's percentile to the last bit. It is read off two neighbouring values, so its cost does not grow with the
    number of values.
    """
    if not ordered:
        return None
    place = (len(ordered) - 1) * ((1 - 1 / reduction_factor) * 100 / 100)  # rounded as a percentile is
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    weight = place % 1
    return above - (above - below) * (1 - weight) if weight >= 0.5 else below + (above - below) * weight


RULE = Asha()
