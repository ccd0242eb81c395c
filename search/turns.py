"""Whose turn it is: which trial trains next, and up to which epoch. No Ray.

Without early stopping, and with asha, every trial has one turn, to its end. With sha a turn ends at the next rung, where
a trial waits until all others are there; then the whole rung is decided, and those that go on have another turn.
"""

from collections.abc import Set
from dataclasses import dataclass

from search import ledger
from search.decisions import halve
from search.stopping import milestones


@dataclass(frozen=True)
class Turn:
    """Trial `trial` trains until `until` epochs are committed."""

    trial: int
    until: int


class Turns:
    """Hands out turns, and learns when they end. A turn that ended short of its epoch is given again only if asked for.

    Args:
        run: as it is when the first turn is taken.
        aside: trials that run alone, when nothing else can run any more; may grow meanwhile.
    """

    def __init__(self, run: ledger.Run, aside: Set[int] = frozenset()) -> None:
        self._run = run
        self._aside = aside
        self._running: dict[int, Turn] = {}
        self._again: set[int] = set()
        self._given = next_wave(run)
        self._ready = list(self._given)

    def take(self) -> Turn | None:
        """The next turn; none while it depends on those that are running, or if there is none any more."""
        turn = self._next()
        if turn:
            self._ready.remove(turn)
            self._running[turn.trial] = turn
        return turn

    def _next(self) -> Turn | None:
        if self._aside & self._running.keys():
            return None
        together = (turn for turn in self._ready if turn.trial not in self._aside)
        alone = None if self._running or not self._ready else self._ready[0]
        return next(together, alone)

    def again(self, trial: int) -> None:
        """When the running turn of this trial ends, it is the next to be given."""
        self._again.add(trial)

    def end(self, trial: int) -> None:
        """The turn of this trial is over."""
        turn = self._running.pop(trial)
        if trial in self._again:
            self._again.remove(trial)
            self._ready.insert(0, turn)
        if not self._ready and not self._running:
            self._run = ledger.read(self._run.folder)
            wave = next_wave(self._run)
            self._ready = [] if wave == self._given else list(wave)  # the same again: they did not get there
            self._given = wave

    @property
    def over(self) -> bool:
        return not self._ready and not self._running


def next_wave(run: ledger.Run) -> list[Turn]:
    """The turns that can start now, in plan order, after deciding every rung that is complete.

    Raises:
        StorageError: a decision could not be written down.
    """
    for rung in rungs(run):
        going = [trial for trial in run.trials if not trial.ended]
        behind = [trial for trial in going if len(trial.epochs) < rung]
        if behind:
            return [Turn(trial.index, rung) for trial in behind]
        decided = {record["trial"] for record in run.decisions if record["epoch"] == rung}
        if any(trial.index not in decided for trial in going):
            values = {
                trial.index: trial.epochs[rung - 1]["val_accuracy"] for trial in run.trials if reached(trial, rung)
            }
            halve(
                run.folder / "decisions.jsonl",
                run.decisions,
                rung,
                values,
                run.identity["scheduler"]["reduction_factor"],
            )
            run = ledger.read(run.folder)
    return [Turn(trial.index, run.totals["epochs"]) for trial in run.trials if not trial.ended]


def reached(trial: ledger.Trial, rung: int) -> bool:
    return len(trial.epochs) >= rung


def rungs(run: ledger.Run) -> list[int]:
    """The epochs at which trials wait for each other; none unless the scheduler is sha."""
    scheduler = run.identity["scheduler"]
    if scheduler["name"] != "sha":
        return []
    return milestones(scheduler["grace_period"], scheduler["reduction_factor"], run.totals["epochs"])
