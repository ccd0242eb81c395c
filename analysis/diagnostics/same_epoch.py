"""Compare the configurations of a search at one epoch that many trials reached, so that early stopping distorts nothing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from search.run.ledger import Trial
from search.status import LOST
from trainables.config import key_of


class Entry(NamedTuple):
    """One configuration: its settings, and the best value up to the compared epoch, as a mean over its seeds."""

    config: dict[str, Any]
    value: float  # a seed that diverged counts with the worst possible value
    is_diverged: bool  # on any of its seeds


class Compared(NamedTuple):
    """The configurations that are compared at an epoch, in plan order, and how many trials have too few epochs."""

    epoch: int
    entries: list[Entry]
    shorter: int

    @property
    def valued(self) -> list[Entry]:
        """The entries without a diverged seed."""
        return [entry for entry in self.entries if not entry.is_diverged]


def compare(trials: Sequence[Trial]) -> Compared:
    """Compare configurations at the epoch of `shared_epoch`; all seeds of a configuration form one entry.

    Seeds of one configuration are no independent evidence about its parameters. A trial that diverged is compared whatever the
    epoch in which it diverged. A trial that failed is left out.
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
    """Make the entry of one configuration from the trials of its seeds."""
    values = [best_until(trial, epoch) for trial in seeds]
    return Entry(seeds[0].config, sum(values) / len(values), any(trial.status == "diverged" for trial in seeds))


def best_until(trial: Trial, epoch: int) -> float:
    """The best value of a trial up to an epoch; the worst possible value if the trial diverged."""
    objective = trial.objective
    if trial.status == "diverged":
        return objective.worst
    best = trial.best if trial.best and trial.best["epoch"] <= epoch else objective.best_epoch(trial.epochs[:epoch])
    return float(best[objective.column]) if best else objective.worst


def shared_epoch(trials: Sequence[Trial]) -> int:
    """The last epoch that at least half of the trials reached, not counting trials that are lost or have no epoch yet."""
    lengths = sorted((len(trial.epochs) for trial in trials if trial.epochs and trial.status not in LOST), reverse=True)
    return max(1, lengths[(len(lengths) - 1) // 2]) if lengths else 1
