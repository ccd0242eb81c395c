"""The configurations of a search at one epoch that many have reached, so that none is worse for having been stopped early."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from search.run.ledger import Trial
from search.status import LOST
from trainables.config import key_of


class Entry(NamedTuple):
    """One configuration: its settings, and the mean over its seeds of the best value up to the epoch."""

    config: dict[str, Any]
    value: float  # a seed that diverged counts as the worst that there can be
    is_diverged: bool  # on any of its seeds


class Compared(NamedTuple):
    """Configurations that can be compared at an epoch, in the order of the plan, and how many trials are too short for that."""

    epoch: int
    entries: list[Entry]
    shorter: int

    @property
    def valued(self) -> list[Entry]:
        """Those that did not diverge."""
        return [entry for entry in self.entries if not entry.is_diverged]


def compare(trials: Sequence[Trial]) -> Compared:
    """All seeds of a configuration are one entry: they are no independent evidence of what its parameters do.

    A trial that diverged is compared wherever it did so. One that failed says nothing.
    """
    epoch = shared_epoch(trials)
    groups: dict[str, list[Trial]] = {}
    shorter = 0
    for trial in trials:
        if trial.status == "diverged" or (len(trial.epochs) >= epoch and trial.status != "failed"):
            groups.setdefault(key_of(trial.config), []).append(trial)
        elif trial.epochs:
            shorter += trial.status != "failed"
    return Compared(epoch, [entry(group, epoch) for group in groups.values()], shorter)


def entry(seeds: Sequence[Trial], epoch: int) -> Entry:
    """One configuration, from the trials of its seeds."""
    values = [best_until(trial, epoch) for trial in seeds]
    return Entry(seeds[0].config, sum(values) / len(values), any(trial.status == "diverged" for trial in seeds))


def best_until(trial: Trial, epoch: int) -> float:
    """The best value of its first epochs; the worst that there can be if it diverged."""
    objective = trial.objective
    if trial.status == "diverged":
        return objective.worst
    best = trial.best if trial.best and trial.best["epoch"] <= epoch else objective.best_epoch(trial.epochs[:epoch])
    return float(best[objective.column]) if best else objective.worst


def shared_epoch(trials: Sequence[Trial]) -> int:
    """The last epoch that at least half of the trials reached, without those that were lost or have no epoch yet."""
    lengths = sorted((len(trial.epochs) for trial in trials if trial.epochs and trial.status not in LOST), reverse=True)
    return max(1, lengths[(len(lengths) - 1) // 2]) if lengths else 1
