"""The values that an early-stopping rule sees if it decides about each trial on its arrival at a rung."""

from bisect import insort
from collections import defaultdict

from search.stopping import rules
from search.stopping.base import Arriving
from trainables.files.durable import Record
from trainables.objective import Objective


class Rungs:
    """The values seen so far at each decisive epoch; only of a rule that decides on arrival.

    The values of an audited trial count up to the epoch where it would have been stopped, and never after that epoch, so that
    other trials are judged as if the audited trial had stopped. Arguments and results are values as the ledger has them; inside
    the class larger values are better.
    """

    def __init__(self, scheduler: Record, epochs: int, objective: Objective) -> None:
        rule = rules.of(scheduler)
        self.scheduler, self.objective = scheduler, objective
        self.rule = rule if isinstance(rule, Arriving) else None
        self.epochs = rule.rungs(scheduler, epochs) if self.rule else ()
        self.seen: defaultdict[int, list[float]] = defaultdict(list)  # epoch to what those that were there count
        self.curves: defaultdict[int, list[float]] = defaultdict(list)  # of each trial, from its first decisive epoch
        self.audited: set[int] = set()

    def judge(self, trial: int, epoch: int, value: float) -> tuple[bool, float | None]:
        """Whether the rule stops a trial that arrives with this value, and the cutoff; changes nothing."""
        assert self.rule, "nothing is judged on arrival by another rule"
        curve = [*self.curves[trial], self.objective.signed(value)]
        stops, bar = self.rule.judge(self.scheduler, self.seen[epoch], curve)
        return stops, None if bar is None else self.objective.signed(bar)

    def count(self, trial: int, epoch: int, value: float, audit: bool) -> None:
        """Take in a decision; `audit` if the trial runs on although the rule stops it."""
        if self.rule and epoch in self.epochs and trial not in self.audited:
            self.curves[trial].append(self.objective.signed(value))
            insort(self.seen[epoch], self.rule.standing(self.curves[trial]))
        if audit:
            self.audited.add(trial)
