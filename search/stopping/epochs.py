"""epochs:K: all configurations train for K epochs, and the best 1/reduction_factor go on to the end."""

from collections.abc import Sequence

from search.stopping.base import Sharing
from trainables.files.durable import Record


class Epochs(Sharing):
    reads = ("budget", "reduction_factor")

    def settings(self, grace_period: int, reduction_factor: int, budget: int | None, share: float) -> Record:
        return {"grace_period": budget, "reduction_factor": reduction_factor, "budget": budget}

    def rungs(self, scheduler: Record, epochs: int) -> Sequence[int]:
        return [scheduler["budget"]] if scheduler["budget"] < epochs else []


RULE = Epochs()
