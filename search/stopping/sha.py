"""sha, successive halving: the best 1/reduction_factor go on from each rung, once all trials are there.

Source: Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization" (AISTATS 2016).
"""

from collections.abc import Sequence

from search.stopping.base import Sharing, milestones
from trainables.files.durable import Record


class Sha(Sharing):
    def rungs(self, scheduler: Record, epochs: int) -> Sequence[int]:
        return milestones(scheduler["grace_period"], scheduler["reduction_factor"], epochs)


RULE = Sha()
