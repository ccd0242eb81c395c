"""The interface of an early-stopping rule: when it decides, and how. Pure functions of run.json and of values.

Larger values are better.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from trainables.files.durable import Record


class Rule(ABC):
    """A way to stop trials early; a file of this folder has one as RULE. `scheduler` is the record of the rule in run.json.

    Attributes:
        version: a rule that changes gets the next version, which run.json holds from 2 on. Older versions must still be
            followed.
        reads: the settings in run.json that the rule decides by.
        keeps_a_share: whether one in reduction_factor goes on at each decision, so that the cost of a search is known
            beforehand.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("grace_period", "reduction_factor")
    keeps_a_share: ClassVar[bool] = True

    def settings(self, grace_period: int, reduction_factor: int, budget: int | None, share: float) -> Record:
        """The settings of the rule for run.json; a setting that the rule does not read has the value that describes the rule.

        Args:
            budget: the K of a rule that is written with :K, else None.
            share: of all epochs, above 0 and at most 1.
        """
        return {"grace_period": grace_period, "reduction_factor": reduction_factor}

    @abstractmethod
    def rungs(self, scheduler: Record, epochs: int) -> Sequence[int]:
        """The epochs, ascending, after which the rule decides; the last epoch of a trial is never among them."""


class Arriving(Rule):
    """A rule that decides about a trial on its arrival at a rung, by the trials that were there before it."""

    @abstractmethod
    def judge(self, scheduler: Record, before: Sequence[float], curve: Sequence[float]) -> tuple[bool, float | None]:
        """Whether a trial stops, and the cutoff that its value was held against; None if there is no cutoff yet.

        Args:
            before: the standing of each trial that was at this rung before, ascending.
            curve: values of the trial at its rungs so far; the last value is that of this rung.
        """

    def standing(self, curve: Sequence[float]) -> float:
        """The value by which a trial counts when later trials are judged."""
        return curve[-1]


class Waiting(Rule):
    """A rule that decides about a whole rung when every trial is there, so that the order of arrival does not matter.

    A rung is cut (search/stopping/cuts.py): the best configurations go on, ranked by the best value so far, the mean over their
    seeds. The places of all rungs are counted before the search starts.

    Attributes:
        cuts_since: the first version of the rule that cuts rungs.
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
    """A waiting rule by which one in reduction_factor goes on from each rung.

    Older versions ranked trials by their last value: version 2 kept a share of the trials that were planned, version 1 of the
    trials that had arrived.
    """

    version = 3
    cuts_since = 3

    def places(self, scheduler: Record, planned: int, epochs: int) -> Sequence[tuple[int, int]]:
        return [(rung, self.quota(scheduler, rung, planned, planned)) for rung in self.rungs(scheduler, epochs)]

    def quota(self, scheduler: Record, epoch: int, planned: int, arrived: int) -> int:
        """How many configurations may go on from a whole rung; if no more than that arrived, all of them go on.

        The quota is ceil(planned / reduction_factor) at the first rung. At each later rung it is the quota of the rung before,
        divided by reduction_factor and rounded up. In version 1 it was ceil(arrived / reduction_factor) at each rung.

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
    """The version of the rule in a scheduler of run.json."""
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
    """Epochs of a search that fills all places of its rungs; a share `audit` of those left behind is trained in full."""
    spent, left = float(planned * epochs), planned
    for rung, quota in places:
        cut = max(0, left - quota)
        spent -= (1 - audit) * cut * (epochs - rung)
        left -= cut
    return spent
