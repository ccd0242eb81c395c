"""The interface of an early-stopping rule: when it decides, and how. Pure functions of run.json and values; larger is better."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from trainables.files.durable import Record


class Rule(ABC):
    """A way to stop trials early; a file of this folder has one as RULE. `scheduler` is what run.json says of it.

    Attributes:
        version: a rule that changes gets another, which stands in run.json from 2 on; the older ones must still be followed.
        reads: the settings in run.json that it decides by.
        keeps_a_share: whether one in reduction_factor goes on wherever it decides, so that its cost is known beforehand.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("grace_period", "reduction_factor")
    keeps_a_share: ClassVar[bool] = True

    def settings(self, grace_period: int, reduction_factor: int, budget: int | None, share: float) -> Record:
        """What run.json says of it beside its name; a setting that it does not read has the value that describes it.

        Args:
            budget: the K of a rule that is written with one.
            share: of all epochs, above 0 and at most 1.
        """
        return {"grace_period": grace_period, "reduction_factor": reduction_factor}

    @abstractmethod
    def rungs(self, scheduler: Record, epochs: int) -> Sequence[int]:
        """The epochs, ascending, after which it decides; the last one of a trial is never among them."""


class Arriving(Rule):
    """Decides about a trial when it arrives at a rung, by those that were there before it."""

    @abstractmethod
    def judge(self, scheduler: Record, before: Sequence[float], curve: Sequence[float]) -> tuple[bool, float | None]:
        """Whether a trial stops, and the cutoff it was held against; none if there is none yet.

        Args:
            before: the standing of each trial that was at this rung before, ascending.
            curve: values of the trial at its rungs, the one it is at last.
        """

    def standing(self, curve: Sequence[float]) -> float:
        """What a trial counts for those that arrive after it."""
        return curve[-1]


class Waiting(Rule):
    """Decides about a whole rung when every trial is there: the best go on, and the order of arrival does not matter.

    A rung is cut (search/stopping/cuts.py): configurations are ranked by the best value so far, the mean over their seeds, and
    the places of all rungs are counted before the search starts.

    Attributes:
        cuts_since: the first version that does so.
    """

    cuts_since: ClassVar[int] = 1

    @abstractmethod
    def places(self, scheduler: Record, planned: int, epochs: int) -> Sequence[tuple[int, int]]:
        """The epoch of each rung, and how many configurations may go on from it.

        Args:
            planned: configurations of the search.
            epochs: of a whole trial.
        """


class Sharing(Waiting):
    """From each rung one in reduction_factor goes on.

    Older versions ranked trials by their last value: version 2 for a share of the trials that were planned, version 1 of those
    that had arrived.
    """

    version = 3
    cuts_since = 3

    def places(self, scheduler: Record, planned: int, epochs: int) -> Sequence[tuple[int, int]]:
        return [(rung, self.quota(scheduler, rung, planned, planned)) for rung in self.rungs(scheduler, epochs)]

    def quota(self, scheduler: Record, epoch: int, planned: int, arrived: int) -> int:
        """How many may go on from a whole rung; all that arrived, if they are no more than that.

        ceil(planned / reduction_factor) at the first rung, and at each later one that share of the quota before. In version 1
        it was ceil(arrived / reduction_factor) at each.

        Args:
            epoch: of the rung.
            planned: configurations of the search; before version 3 trials.
            arrived: trials that the rule judges there.
        """
        factor: int = scheduler["reduction_factor"]
        if version_of(scheduler) == 1:
            return -(-arrived // factor)
        return -(-planned // factor ** (1 + len(self.rungs(scheduler, epoch))))  # the rungs before this one


def version_of(scheduler: Record) -> Any:
    """Which version of its rule a scheduler of run.json is."""
    return scheduler.get("version", 1)


def milestones(grace_period: int, reduction_factor: int, epochs: int) -> list[int]:
    """The epochs of the rungs: grace_period times powers of reduction_factor, all before the last epoch."""
    rungs = []
    epoch = grace_period
    while epoch < epochs:
        rungs.append(epoch)
        epoch *= reduction_factor
    return rungs


def epochs_spent(places: Sequence[tuple[int, int]], planned: int, epochs: int, audit: float = 0.0) -> float:
    """Epochs that a search trains whose rungs are filled; the audited share of those left behind is trained in full."""
    spent, left = float(planned * epochs), planned
    for rung, quota in places:
        cut = max(0, left - quota)
        spent -= (1 - audit) * cut * (epochs - rung)
        left -= cut
    return spent
