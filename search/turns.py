"""Turns: which trial trains next, and up to which epoch. This module does not use Ray.

Without early stopping, and with a rule that decides on arrival, every trial has one turn, to its end. With a rule that decides
about whole rungs, a turn ends at the next rung, where the trial waits until all others are there. Then the rung is decided, and
the trials that go on have another turn. Where rungs are cut, a slot that would wait trains a trial that is certain to go on.
Trials of the confirmation wait for nobody: each has one turn, once no trial of the search can start.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from search.run import cuts, ledger
from search.run.decisions import halve
from search.stopping.rules import decisive, waits
from trainables.files.durable import Record

Notify = Callable[[int, Record | None], None]  # trial index and its new row, or None when the trial has ended


@dataclass(frozen=True)
class Turn:
    """Trial `trial` trains until `until` epochs are committed."""

    trial: int
    until: int


def no_more() -> None:
    """Plan no further trial: the whole plan is there."""


class Turns:
    """Hands out turns and learns when they end; a turn that ended short of its epoch is given again only on request.

    Args:
        run: the run when the first turn is taken.
        read: reads the run again.
        grow: plans one more trial and returns its index, or None if all are planned; called when no turn is ready.
        aside: trials that run alone, when no other trial can run any more; the set may grow during the search.
    """

    def __init__(
        self,
        run: ledger.Run,
        read: Callable[[Path], ledger.Run] = ledger.read,
        grow: Callable[[], int | None] = no_more,
        aside: Set[int] = frozenset(),
    ) -> None:
        self._run, self._read, self._grow, self._aside = run, read, grow, aside
        self._is_planned = run.is_planned
        self._running: dict[int, Turn] = {}
        self._again: set[int] = set()
        self._cuts = run.totals.rungs is not None
        self._spent: set[Turn] = set()  # given turns: one that ended short of its epoch is given again only on request
        self._is_stale = self._cuts  # something ended since the run was read
        self._given = [] if self._cuts else next_wave(run, read)
        self._ready = list(self._given)
        if self._cuts:
            self._look_again()

    def take(self) -> Turn | None:
        """The next turn; None while the next turn depends on running trials, and when no turn is left."""
        if self._aside & self._running.keys():
            return None
        if not self._is_planned and self._together() is None:
            self._plan_more()
        if self._cuts and self._is_stale and self._together() is None:
            self._look_again()
        alone = None if self._running or not self._ready else self._ready[0]
        turn = self._together() or alone
        if turn:
            self._ready.remove(turn)
            self._running[turn.trial] = turn
            self._spent.add(turn)
        return turn

    def _together(self) -> Turn | None:
        """The next turn of a trial that may run beside others."""
        return next((turn for turn in self._ready if turn.trial not in self._aside), None)

    def again(self, trial: int) -> None:
        """Give the running turn of this trial again, as the next turn, when it ends."""
        self._again.add(trial)

    def end(self, trial: int) -> None:
        """Take in that the running turn of this trial has ended."""
        turn = self._running.pop(trial)
        self._is_stale = True
        if trial in self._again:
            self._again.remove(trial)
            self._spent.discard(turn)
            self._ready.insert(0, turn)
        if not self._ready and not self._running and self._is_planned:
            self._start_wave()

    def _look_again(self) -> None:
        """Decide the complete rungs; collect the turns that must train or, without any, those certain to be needed."""
        self._is_stale = False
        self._run = cuts.decide(self._read(self._run.folder), self._read)
        self._ready = [turn for turn in must_train(self._run) if self._is_new(turn)]
        if not self._ready:
            self._ready = [turn for turn in may_train_ahead(self._run) if self._is_new(turn)]

    def _is_new(self, turn: Turn) -> bool:
        return turn.trial not in self._running and turn not in self._spent

    def _start_wave(self) -> None:
        if self._cuts:
            self._look_again()
            return
        self._run = self._read(self._run.folder)
        wave = next_wave(self._run, self._read)
        self._ready = [] if wave == self._given else list(wave)  # the same turns again: their trials did not get there
        self._given = wave

    def _plan_more(self) -> None:
        """Plan one more trial and add its turn, up to the first rung or to the trial's end."""
        trial = self._grow()
        if trial is not None:
            self._ready.append(Turn(trial, min([*rungs(self._run), self._run.totals.epochs])))
            return
        self._is_planned = True
        if not self._running and not self._ready:
            self._start_wave()

    @property
    def over(self) -> bool:
        return not self._ready and not self._running and self._is_planned


def must_train(run: ledger.Run) -> list[Turn]:
    """The turns of search trials that lines about rungs let train further; without any, the turns of the confirmation.

    These turns are in plan order. Turns of search trials that have all their epochs but have not ended follow them: such a
    trial was killed between its last row and its outcome.
    """
    found, last = cuts.now(run), run.totals.epochs
    turns = [Turn(*place) for place in found.open(cuts.curves(run))] if found else []
    turns += [Turn(trial.index, last) for trial in run.search_trials if not trial.ended and reached(trial, last)]
    return turns or [Turn(trial.index, run.totals.epochs) for trial in run.fresh_trials if not trial.ended]


def may_train_ahead(run: ledger.Run) -> list[Turn]:
    """The turns that are certain to be needed whatever the next cuts decide; the trials with the fewest epochs come first."""
    found, known = cuts.now(run), cuts.curves(run)
    ahead = found.ahead(known) if found else ()
    return sorted((Turn(*place) for place in ahead), key=lambda turn: len(known[turn.trial].values))


def next_wave(run: ledger.Run, read: Callable[[Path], ledger.Run] = ledger.read) -> list[Turn]:
    """The turns that can start now, in plan order, after deciding every rung that is complete.

    Raises:
        StorageError: a decision could not be written down.
    """
    for rung in rungs(run):
        going = [trial for trial in run.search_trials if not trial.ended]
        behind = [trial for trial in going if len(trial.epochs) < rung]
        if behind:
            return [Turn(trial.index, rung) for trial in behind]
        if not run.is_planned:
            return []  # a rung is decided when all are there
        decided = {record["trial"] for record in run.decisions if record["epoch"] == rung}
        if any(trial.index not in decided for trial in going):
            values = {trial.index: trial.values[rung - 1] for trial in run.search_trials if reached(trial, rung)}
            path, identity = run.folder / "decisions.jsonl", run.identity
            planned = len(run.search_trials)
            halve(path, run.decisions, rung, values, planned, identity.scheduler, identity.objective, identity.seed)
            run = read(run.folder)
    return [Turn(trial.index, run.totals.epochs) for trial in run.trials if not trial.ended]


def reached(trial: ledger.Trial, rung: int) -> bool:
    return len(trial.epochs) >= rung


def rungs(run: ledger.Run) -> Sequence[int]:
    """The epochs at which trials wait for each other; none unless the rule decides about whole rungs."""
    scheduler = run.identity.scheduler
    return decisive(scheduler, run.totals.epochs) if waits(scheduler) else ()
