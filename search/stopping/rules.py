"""When a trial is stopped early, as pure functions. No Ray, no files.

asha decides when a trial arrives at a rung. Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning"
(MLSys 2020), in the variant that only stops (Ray's AsyncHyperBandScheduler): at a rung a trial goes on unless it is worse
than the best 1/reduction_factor of those that were there before it. A test holds both to the same decisions.

median decides at every epoch from grace_period on. Source: Golovin et al., "Google Vizier: A Service for Black-Box
Optimization" (KDD 2017), section 3.2.1, as in Ray's MedianStoppingRule: a trial stops if its best value so far is below the
median of the running averages of the others that were at that epoch before it. Values before grace_period do not count.

sha and epochs:K decide when all have arrived, so the order of arrival does not matter. Source of sha: Jamieson & Talwalkar,
"Non-stochastic Best Arm Identification and Hyperparameter Optimization" (AISTATS 2016). epochs:K has one rung, at K. How many
go on is a share of the trials that were planned, so one that diverged or failed before a rung takes no place from the others.

A rule that changes gets another version, which stands beside its name in run.json: a run keeps the version that it was started
with, and `verify` goes by it. Version 1 of sha and epochs:K kept a share of the trials that had arrived.
"""

import math
from bisect import insort
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from search.flags import OF_A_RULE, Flags
from spaces import Scheduler
from trainables.files.durable import Record
from trainables.objective import ACCURACY, Objective
from trainables.seeds import derive

ARRIVING = ("asha", "median")  # these decide about a trial when it arrives, in the order of arrival
WAITING = ("sha", "epochs")  # these decide about a whole rung
VERSIONS = {"sha": 2, "epochs": 2}  # of the rules that have changed; run.json does not name version 1
FEWEST = 3  # other trials at an epoch before their median says anything


def rule(
    name: str,
    grace_period: int = Flags.grace_period,
    reduction_factor: int = Flags.reduction_factor,
    audit: float = Flags.audit,
) -> Record:
    """A scheduler as run.json has it. A setting that it does not read has the value that describes it.

    Args:
        name: asha, sha, median, epochs:K with a number for K, or none.
    """
    scheduler = Scheduler.parse(name)
    name, budget = scheduler.name, scheduler.budget
    if name == "none":
        return {"name": name}
    reduction_factor = 2 if name == "median" else reduction_factor
    found: Record = {"name": name, "grace_period": budget or grace_period, "reduction_factor": reduction_factor}
    since = {"version": VERSIONS[name]} if name in VERSIONS else {}
    return found | ({"budget": budget} if budget else {}) | ({"audit": audit} if audit else {}) | since


def version_of(scheduler: Record) -> Any:
    """Which version of its rule a scheduler of run.json is."""
    return scheduler.get("version", 1)


def is_known(scheduler: Record) -> bool:
    """Whether this program has the version of the rule; a later program may have written another."""
    return version_of(scheduler) in range(1, VERSIONS.get(scheduler["name"], 1) + 1)


def continued(asked: Record, recorded: Any) -> Record:
    """The rule that is asked for, in the version that the run was started with if it is the same rule.

    Args:
        recorded: what run.json says, whatever that is.
    """
    if not isinstance(recorded, dict) or recorded.get("name") != asked["name"]:
        return asked
    kept = {"version": recorded["version"]} if "version" in recorded else {}
    return {key: value for key, value in asked.items() if key != "version"} | kept


def unread(name: str, grace_period: int, reduction_factor: int) -> list[str]:
    """The settings that are not at their defaults and that this scheduler does not read."""
    asked = {"grace_period": grace_period, "reduction_factor": reduction_factor}
    usual, own = rule("asha"), rule(name, grace_period, reduction_factor)
    return [key for key, value in asked.items() if value != usual[key] and value != own.get(key)]


def label(scheduler: Record) -> str:
    """A scheduler of run.json by the name that --scheduler has for it."""
    return str(Scheduler(scheduler["name"], scheduler.get("budget")))


def flags(scheduler: Record) -> Record:
    """The flags that lead to a scheduler of run.json, by their names in Settings; its version is in none."""
    read = {key: scheduler[key] for key in OF_A_RULE if key in scheduler}
    return {"scheduler": label(scheduler), **read}


def milestones(grace_period: int, reduction_factor: int, epochs: int) -> list[int]:
    """The epochs of the rungs: grace_period times powers of reduction_factor, all before the last epoch."""
    rungs = []
    epoch = grace_period
    while epoch < epochs:
        rungs.append(epoch)
        epoch *= reduction_factor
    return rungs


def decisive(scheduler: Record, epochs: int) -> Sequence[int]:
    """The epochs, ascending, after which this scheduler of run.json decides; the last one is never among them."""
    name = scheduler["name"]
    if name in ("asha", "sha"):
        return milestones(scheduler["grace_period"], scheduler["reduction_factor"], epochs)
    if name == "median":
        return range(scheduler["grace_period"], epochs)
    return [scheduler["budget"]] if name == "epochs" and scheduler["budget"] < epochs else []


def cutoff(ordered: Sequence[float], reduction_factor: int) -> float | None:
    """The value a trial must reach at a rung where these were seen, ascending; none for the first to arrive.

    It is numpy's percentile to the last bit, read off its two neighbours, so that the ten thousandth costs what the first does.
    """
    if not ordered:
        return None
    place = (len(ordered) - 1) * ((1 - 1 / reduction_factor) * 100 / 100)  # rounded as a percentile is
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    weight = place % 1
    return above - (above - below) * (1 - weight) if weight >= 0.5 else below + (above - below) * weight


def decide(
    rungs: Mapping[int, Sequence[float]], epoch: int, value: float, reduction_factor: int
) -> tuple[bool, float | None]:
    """Whether a trial that reached a rung stops, and the cutoff it was held against. Larger values are better.

    Args:
        rungs: epoch of each rung to the values, ascending, of the trials that reached it before.
        epoch: one of the rungs.
        value: of the trial there.
    """
    bar = cutoff(rungs[epoch], reduction_factor)
    return bar is not None and value < bar, bar


def decide_by_median(averages: Sequence[float], best: float) -> tuple[bool, float | None]:
    """Whether a trial with this best value so far stops among others with these running averages, ascending; their median.

    Larger values are better.
    """
    if len(averages) < FEWEST:
        return False, None
    bar = (averages[(len(averages) - 1) // 2] + averages[len(averages) // 2]) / 2
    return best < bar, bar


class Rungs:
    """What was seen so far at each decisive epoch; only for asha and median.

    The values of an audited trial count up to the epoch where it would have been stopped, and never after it, so that the
    others are judged as if it had stopped. Values come and go as the ledger has them; inside larger ones are better.
    """

    def __init__(self, scheduler: Record, epochs: int, objective: Objective = ACCURACY) -> None:
        self.scheduler, self.objective = scheduler, objective
        self.epochs = decisive(scheduler, epochs) if scheduler["name"] in ARRIVING else ()
        self.seen: defaultdict[int, list[float]] = defaultdict(list)  # epoch to values, for median running averages
        self.curves: defaultdict[int, list[float]] = defaultdict(list)  # of each trial, from its first decisive epoch
        self.audited: set[int] = set()

    def judge(self, trial: int, epoch: int, value: float) -> tuple[bool, float | None]:
        """Whether the rule stops a trial that arrives with this value, and the cutoff; changes nothing."""
        own = self.objective.signed(value)
        if self.scheduler["name"] == "median":
            stops, bar = decide_by_median(self.seen[epoch], max([*self.curves[trial], own]))
        else:
            stops, bar = decide(self.seen, epoch, own, self.scheduler["reduction_factor"])
        return stops, None if bar is None else self.objective.signed(bar)

    def count(self, trial: int, epoch: int, value: float, audit: bool) -> None:
        """Take in a decision; `audit` if the trial runs on although the rule stops it."""
        if epoch in self.epochs and trial not in self.audited:
            own, curve = self.objective.signed(value), self.curves[trial]
            curve.append(own)
            insort(self.seen[epoch], float(np.mean(curve)) if self.scheduler["name"] == "median" else own)
        if audit:
            self.audited.add(trial)


def is_audited(scheduler: Record, seed: int, trial: int) -> bool:
    """Whether this trial runs to the end even where the rule stops it: a share of all trials, drawn at random."""
    share: float = scheduler.get("audit", 0.0)
    return derive(seed, "audit", trial) < share * 2**63


def quota(scheduler: Record, epoch: int, planned: int, arrived: int) -> int:
    """How many trials may go on from a whole rung of sha or epochs:K; all that arrived, if they are no more than that.

    ceil(planned / reduction_factor) at the first rung, and at each later one that share of the quota before. In version 1 it
    was ceil(arrived / reduction_factor) at each.

    Args:
        epoch: of the rung.
        planned: trials of the search.
        arrived: trials that the rule judges there.
    """
    factor: int = scheduler["reduction_factor"]
    if version_of(scheduler) == 1:
        return -(-arrived // factor)
    return -(-planned // factor ** (1 + len(decisive(scheduler, epoch))))  # decisive: the rungs before this one


def survivors(values: Mapping[int, float], count: int, objective: Objective = ACCURACY) -> set[int]:
    """The best `count` trials of a whole rung, the first planned on ties."""
    best_first = sorted(values, key=lambda trial: (objective.place(values[trial]), trial))
    return set(best_first[:count])


def least(values: Mapping[int, float], going_on: Collection[int], objective: Objective = ACCURACY) -> float | None:
    """The cutoff of a whole rung: the worst value of those that go on; none if none does."""
    return max((values[trial] for trial in going_on), key=objective.place, default=None)


def ideal_course(scheduler: Record, trials: int, epochs: int) -> list[tuple[int, int]]:
    """How many trials train for how many more epochs, leg by leg, if each rung keeps exactly ceil(n / reduction_factor).

    An audited share runs on. For median no such numbers are known beforehand: all trials run to their end there.
    """
    legs, left, before = [], trials, 0
    for rung in () if scheduler["name"] == "median" else decisive(scheduler, epochs):
        legs.append((left, rung - before))
        left, before = math.ceil(left / scheduler["reduction_factor"]), rung
    legs.append((left, epochs - before))
    share: float = scheduler.get("audit", 0.0)
    return [(count + round(share * (trials - count)), length) for count, length in legs]


def ideal_epochs(scheduler: Record, trials: int, epochs: int) -> int:
    """Epochs that this many trials train together on the ideal course."""
    return sum(count * length for count, length in ideal_course(scheduler, trials, epochs))
