"""How far a search is: numbers for a display, from the ledger and from the rows and ends that the scheduler reports."""

import time
from dataclasses import dataclass
from typing import Any

from search.run import confirmation, ledger, order
from search.status import ENDED, LOST, OPEN, Status
from trainables.files.durable import Record
from trainables.objective import Objective


@dataclass
class TrialProgress:
    """One trial as a display shows it."""

    index: int
    id: str
    config: dict[str, Any]
    searched: Record  # the searched parameters; empty text for one that does not apply
    objective: Objective
    epochs: int = 0
    value: float | None = None  # the value of its best epoch
    status: Status = "planned"
    confirms: bool = False  # it has no part in choosing
    seed: int = 0
    fold: int = 0  # the fold that it is validated on; 0 without folds
    is_heard: bool = False  # a row came of it since the display began

    @property
    def word(self) -> str:
        """The trial's status as it is shown: a trial that has begun is waiting until its first row comes to this display."""
        return "waiting" if self.status == "running" and not self.is_heard else self.status


class Progress:
    """The progress of a search as the driver sees it, counted from the rows and ends of its trials.

    The run is read again only when its plan grew and, where whole rungs are cut, when a trial ended.
    """

    def __init__(self, run: ledger.Run) -> None:
        self.run = run
        self.epochs_each: int = run.totals.epochs
        self.images: int = run.identity.sizes.get("train", 0)
        self.started = time.monotonic()
        self.trained = 0  # epochs since then
        self.first_row_at: float | None = None  # what came before was starting, and says nothing about the rest
        self.trials = {trial.index: self._summary(trial) for trial in run.trials}

    def _summary(self, trial: ledger.Trial) -> TrialProgress:
        searched = {key: trial.config.get(key, "") for key in self.run.identity.space_params}
        facts = trial.objective, len(trial.epochs), trial.value, trial.status, trial.confirms
        return TrialProgress(trial.index, trial.id, trial.config, searched, *facts, trial.seed, trial.fold)

    def update(self, index: int, row: Record | None) -> TrialProgress:
        """Take in a new row of a trial, or with None that it has ended, and return the trial."""
        if index not in self.trials:
            self._extend()
        trial = self.trials[index]
        if row is None:
            self.trials[index] = trial = self._summary(ledger.reread(self.run, index))
            self._take_in_cuts()
        elif row["epoch"] > trial.epochs:
            self.trained += row["epoch"] - trial.epochs
            self.first_row_at = self.first_row_at or time.monotonic()
            trial.epochs, trial.status, trial.is_heard = row["epoch"], "running", True
            value = row[trial.objective.column]
            if trial.value is None or trial.objective.is_better(value, trial.value):
                trial.value = value
        return trial

    def _take_in_cuts(self) -> None:
        """Read which trials were left behind, if whole rungs are cut: a cut leaves trials behind while others train."""
        if self.run.totals.rungs is not None:
            behind = [trial for trial in ledger.read(self.run.folder).trials if trial.status == "stopped"]
            self.trials |= {trial.index: self._summary(trial) for trial in behind}

    def _extend(self) -> None:
        """Read the run again and add its new trials, because the plan grew."""
        self.run = ledger.read(self.run.folder)
        for trial in self.run.trials[len(self.trials) :]:
            self.trials[trial.index] = self._summary(trial)

    def ended(self) -> int:
        return sum(trial.status in ENDED for trial in self.trials.values())

    def is_over(self) -> bool:
        """Whether nothing is left to train; a search without a finished trial has nothing to confirm."""
        has_finished = any(trial.status == "finished" for trial in self.trials.values())
        return self.ended() >= self.asked() and not (has_finished and self._to_confirm())

    def leaders(self) -> list[TrialProgress]:
        """The trials of the best configuration so far: of the confirmation once that is decided, else of the search."""
        trials, seeds = self.trials.values(), self.run.totals.seeds
        decided = confirmation.confirmed([trial for trial in trials if trial.confirms], self.run.totals)
        counts = LOST if seeds > 1 else ()  # a lost seed counts among those of its configuration
        begun = [
            trial for trial in trials if not trial.confirms and (trial.value is not None or trial.status in counts)
        ]
        best = decided or order.leading(begun, seeds)
        return [trial for trial in best if trial.value is not None]

    def images_per_second(self) -> float:
        """Training images per second of wall time since this search was started or continued."""
        return self.trained * self.images / max(time.monotonic() - self.started, 1e-9)

    def asked(self) -> int:
        """The number of trials: those that are planned, and those that an adaptive algorithm will plan."""
        return self.run.asked

    def total(self) -> int:
        """The number of trials, those included that a confirmation may add."""
        return self.asked() + (0 if self.is_over() else self._to_confirm())

    def _searched(self) -> int:
        found: int = self.run.totals.trials
        return found

    def _confirming(self) -> int:
        """The planned trials of the confirmation."""
        return sum(trial.confirms for trial in self.trials.values())

    def _to_confirm(self) -> int:
        """The trials that a confirmation will have at most, before it is planned."""
        best = self.run.totals.confirm
        if not best or self._confirming():
            return 0
        found: int = min(best + 1, self._searched()) * self.run.totals.confirm_seeds
        return found

    def seconds_left(self) -> float | None:
        """Seconds left at the rate since the first epoch, if no further trial is stopped early; None before the second epoch."""
        if self.first_row_at is None or self.trained < 2:
            return None
        open_trials = [trial for trial in self.trials.values() if trial.status in OPEN]
        left = sum(self.epochs_each - trial.epochs for trial in open_trials)
        left += (self.asked() - len(self.trials) + self._to_confirm()) * self.epochs_each
        return left * (time.monotonic() - self.first_row_at) / (self.trained - 1)
