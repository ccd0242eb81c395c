"""Cuts: how a rule that waits decides about whole rungs, as a pure function of values. No files.

A configuration goes on from a rung if it is among the best. Configurations are ranked by the best value so far, the mean over
their seeds; among equal ones, the first planned comes first. A cut is one line of decisions.jsonl. A thaw is one line, too:
when all configurations that went on have diverged, the best one left behind runs to the end. What may train next follows from
the lines and the committed values alone, so neither the order of arrival nor a kill changes which configurations go on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from search.stopping.rules import is_audited, least, survivors
from trainables.files.durable import Record
from trainables.objective import Objective

LISTS = ("goes_on", "stops", "audit", "thaw")  # what a line says of trials, by their index


@dataclass(frozen=True)
class Stage:
    """The totals that a search has for a time; when more is asked for, a new stage begins and every rung is cut again.

    Attributes:
        line: the line of totals.jsonl that began the stage, counted from 1.
        trials: number of trials of the search that were planned by then.
        epochs: of a whole trial.
        places: the epoch of each rung, and how many configurations go on from it.
    """

    line: int
    trials: int
    epochs: int
    places: tuple[tuple[int, int], ...]

    @property
    def start(self) -> int:
        """The epoch up to which every trial is trained: the first rung, or the end if there is no rung."""
        return self.places[0][0] if self.places else self.epochs

    def after(self, rung: int) -> int:
        """The epoch up to which trials are trained that go on from a rung: the next rung, or the end."""
        return next((epoch for epoch, _ in self.places if epoch > rung), self.epochs)


@dataclass(frozen=True)
class Curve:
    """The course of a trial so far: the value of each committed epoch, and whether it diverged or failed."""

    values: Sequence[float]
    diverged: bool = False
    failed: bool = False  # it may be tried again

    @property
    def over(self) -> bool:
        return self.diverged or self.failed


Curves = Mapping[int, Curve]  # by the index of the trial


def left_behind(lines: Sequence[Record]) -> tuple[dict[int, int], dict[int, int]]:
    """The trials that a cut left behind and no later line called, each with its rung; and how far each called trial may train."""
    stopped: dict[int, int] = {}
    reach: dict[int, int] = {}
    for line in lines:
        stopped |= dict.fromkeys(line.get("stops", ()), line["epoch"])
        for trial, until in called(line):
            stopped.pop(trial, None)
            reach[trial] = max(reach.get(trial, 0), until)
    return stopped, reach


def called(line: Record) -> Iterator[tuple[int, int]]:
    """The trials that a line lets go on, each with the epoch up to which it may train."""
    yield from ((trial, line["until"]) for trial in line.get("goes_on", ()))
    yield from ((trial, line["whole"]) for key in ("audit", "thaw") for trial in line.get(key, ()))


class Course:
    """The state of a search according to the lines of decisions.jsonl; `take` adds a line.

    Args:
        stages: in order.
        entries: index of each search trial, in plan order, to the index of the first trial of its configuration.
        scheduler: of run.json.
        seed: of the run; it draws which configurations are audited.
    """

    def __init__(
        self, stages: Sequence[Stage], entries: Mapping[int, int], scheduler: Record, seed: int, objective: Objective
    ) -> None:
        self.stages, self.entries = stages, entries
        self.scheduler, self.seed, self.objective = scheduler, seed, objective
        self.reach: dict[int, int] = {}  # trial to the epoch up to which it may train
        self._begin(0)

    def _begin(self, number: int) -> None:
        self.number, self.stage = number, self.stages[number]
        self.made: dict[int, set[int]] = {}  # rung to the trials that were judged there in this stage
        self.spared: dict[int, int] = {}  # trial to the rung from which on it is not judged: audited or thawed
        self.thawed: set[int] = set()
        self.members: dict[int, list[int]] = {}
        self.trials = list(self.entries)[: self.stage.trials]
        for trial in self.trials:
            self.members.setdefault(self.entries[trial], []).append(trial)
            self.reach[trial] = max(self.reach.get(trial, 0), self.stage.start)

    def take(self, line: Record) -> None:
        """Take in a line; the first line of a later stage begins that stage."""
        self.begin(line["totals"])
        for trial, until in called(line):
            self.reach[trial] = max(self.reach.get(trial, 0), until)
        alone = [*line.get("audit", ()), *line.get("thaw", ())]
        self.spared |= dict.fromkeys(alone, line["epoch"])
        self.thawed |= set(line.get("thaw", ()))
        if "thaw" not in line:
            self.made.setdefault(line["epoch"], set()).update(*(line.get(key, ()) for key in LISTS))

    def begin(self, line: int) -> None:
        """Go to the stage that this line of totals.jsonl began, if that stage is later than the present one."""
        while self.stage.line < line and self.number + 1 < len(self.stages):
            self._begin(self.number + 1)

    def next(self, curves: Curves) -> Record | None:
        """The next line, without its sequence; None while the next line depends on trials that train, or if no line is due."""
        while not (line := self._next_cut(curves)) and not any(self.open(curves)):
            if line := self.thaw(curves):
                return line
            if self.number + 1 == len(self.stages):
                return None
            self._begin(self.number + 1)
        return line

    def _next_cut(self, curves: Curves) -> Record | None:
        for rung, quota in self.stage.places:
            if any(len(curves[trial].values) < rung <= until for trial, until in self.open(curves, spared=False)):
                return None
            judged = self._judged(curves, rung)
            if judged and (rung not in self.made or not judged <= self.made[rung]):
                return self.cut(curves, rung, quota)
        return None

    def open(self, curves: Curves, spared: bool = True) -> Iterator[tuple[int, int]]:
        """The trials that must train and have not ended, each with the epoch up to which it trains.

        Args:
            spared: whether trials that are not judged any more, audited or thawed, are included.
        """
        for trial in self.trials:
            until = min(self.reach[trial], self.stage.epochs)
            is_on_its_way = not self._is_over(curves, trial) and len(curves[trial].values) < until
            if is_on_its_way and (spared or trial not in self.spared):
                yield trial, until

    def _is_over(self, curves: Curves, trial: int) -> bool:
        """Whether a trial ended before it got as far as it may train."""
        return curves[trial].over and len(curves[trial].values) < self.reach[trial]

    def ahead(self, curves: Curves) -> Iterator[tuple[int, int]]:
        """The trials that are certain to train on, whatever other trials reach, each with the epoch up to which it trains.

        Such a trial will go on from the rung where it waits; or it is new, because more was asked for.
        """
        for trial, until in self.limits(curves).items():
            done = len(curves[trial].values)
            if not curves[trial].over and self.reach.get(trial, 0) <= done < until:
                yield trial, until

    def limits(self, curves: Curves) -> dict[int, int]:
        """The epoch up to which each trial may train by now: up to there a line lets it train, or is certain to let it train."""
        sure = {rung: self._sure(curves, rung, quota) for rung, quota in self.stage.places}
        found = {
            trial: max(self.reach[trial], self._certain(trial, len(curves[trial].values), sure))
            for trial in self.trials
        }
        for stage in self.stages[self.number + 1 : self.number + 2]:
            found |= dict.fromkeys(list(self.entries)[self.stage.trials : stage.trials], stage.start)
        return found

    def _certain(self, trial: int, done: int, sure: Mapping[int, set[int]]) -> int:
        """The epoch up to which a trial is certain to be trained.

        Args:
            done: number of epochs that the trial has.
            sure: each rung with the configurations that are certain to go on from it.
        """
        for rung, going in sure.items():
            if rung >= self.reach[trial] and (done < rung or self.entries[trial] not in going):
                return rung
        return self.stage.epochs

    def _sure(self, curves: Curves, rung: int, quota: int) -> set[int]:
        """The configurations that are certain to go on from a rung that is not cut yet, though others are still to come.

        Such a configuration has a place even if all configurations that may come are better.
        """
        if rung in self.made:
            return set()
        values = self._values(curves, rung, {trial: len(curves[trial].values) for trial in self.trials})
        coming = sum(entry not in values and self._may_come(curves, entry) for entry in self.members)
        return survivors(values, max(0, quota - coming), self.objective)

    def _may_come(self, curves: Curves, entry: int) -> bool:
        """Whether a configuration may still come to a rung where it is not yet.

        A failed trial may be tried again, so its configuration may still come. A configuration with a diverged, audited or
        thawed trial may not.
        """
        trials, last = self.members[entry], max(self.made, default=0)
        if any(curves[trial].diverged or trial in self.spared for trial in trials):
            return False
        is_open = any(self.reach[trial] > last or len(curves[trial].values) > last for trial in trials)
        return is_open or any(curves[trial].failed for trial in trials)

    def _values(self, curves: Curves, rung: int, seen: Mapping[int, int]) -> dict[int, float]:
        """The value by which each configuration is ranked at a rung, for configurations of which all seeds are there.

        Args:
            seen: trial to the number of its epochs that count.
        """
        return {
            entry: fmean(self.objective.best(curves[trial].values[:rung]) for trial in trials)
            for entry, trials in self.members.items()
            if all(self._is_there(curves, trial, rung, seen[trial]) for trial in trials)
        }

    def _is_there(self, curves: Curves, trial: int, rung: int, seen: int) -> bool:
        """Whether a trial is judged at a rung."""
        return rung <= min(len(curves[trial].values), seen, self.spared.get(trial, rung))

    def _judged(self, curves: Curves, rung: int) -> set[int]:
        """The trials that a cut of this rung names."""
        return {trial for trial in self.trials if self._is_there(curves, trial, rung, self.reach[trial])}

    def cut(self, curves: Curves, rung: int, quota: int) -> Record:
        """The line of a cut, without its sequence: the trials that go on, stop, or are audited.

        If one seed of a configuration diverged or failed before the rung, its other seeds are left behind.
        """
        values = self._values(curves, rung, self.reach)
        going = survivors(values, quota, self.objective)
        audited = {entry for entry in values.keys() - going if is_audited(self.scheduler, self.seed, entry)}
        lists: dict[str, list[int]] = {"goes_on": [], "stops": [], "audit": []}
        for trial in sorted(self._judged(curves, rung)):
            entry = self.entries[trial]
            lists["goes_on" if entry in going else "audit" if entry in audited else "stops"].append(trial)
        if not audited:
            del lists["audit"]
        facts = {"until": self.stage.after(rung), "quota": quota, "cutoff": least(values, going, self.objective)}
        return self._line(rung, **facts, **lists)

    def _line(self, rung: int, **more: Any) -> Record:
        return {"totals": self.stage.line, "epoch": rung, "whole": self.stage.epochs, **more}

    def thaw(self, curves: Curves) -> Record | None:
        """The line, without its sequence, that lets the best configuration left behind train to the end.

        None if a configuration has finished, or if none was left behind.
        """
        found = None if self.has_finished(curves) else self.best_left_behind(curves)
        return found and self._line(found[1], thaw=self.members[found[0]])

    def has_finished(self, curves: Curves) -> bool:
        """Whether a configuration that is not audited was trained in full."""
        audited = self.spared.keys() - self.thawed
        return any(
            not audited.intersection(trials)
            and all(min(len(curves[trial].values), self.reach[trial]) >= self.stage.epochs for trial in trials)
            for trials in self.members.values()
        )

    def best_left_behind(self, curves: Curves) -> tuple[int, int] | None:
        """The configuration that would be thawed next, and its rung: from the latest rung, the one with the best value there."""
        found = []
        for rung, judged in self.made.items():
            for entry, value in self._values(curves, rung, self.reach).items():
                trials = self.members[entry]
                if judged.issuperset(trials) and all(self._is_left(curves, trial) for trial in trials):
                    found.append((-rung, self.objective.place(value), entry))
        best = min(found, default=None)
        return best and (best[2], -best[0])

    def _is_left(self, curves: Curves, trial: int) -> bool:
        """Whether a trial was judged and may not train on."""
        is_called = len(curves[trial].values) < self.reach[trial] or trial in self.spared
        return not (is_called or self._is_over(curves, trial)) and self.reach[trial] < self.stage.epochs
