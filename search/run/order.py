"""The one order, best first, of trials and of configurations on several seeds. Loads neither pandas nor torch.

Finished trials come first, because a stopped trial was never given its whole training. Within a stage the value of the best
epoch decides, then the place in the plan. A trial without a value comes last in its stage.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import isnan
from operator import attrgetter
from statistics import fmean
from typing import Any, Protocol, TypeVar

from search import status
from trainables.config import key_of
from trainables.objective import Objective

STAGES = {"finished": 0, "stopped": 1, "running": 1, "planned": 2, "diverged": 3, "failed": 4}

Key = tuple[int, float, int]


class Ranked(Protocol):
    """What the order needs of a trial, be it a trial of the ledger or a trial as a display shows it."""

    @property
    def index(self) -> int: ...
    @property
    def config(self) -> dict[str, Any]: ...
    @property
    def status(self) -> status.Status: ...
    @property
    def epochs(self) -> Any: ...  # false where it has none
    @property
    def value(self) -> float | None: ...
    @property
    def objective(self) -> Objective: ...


T = TypeVar("T", bound=Ranked)


def key(status: str, value: float | None, index: int, objective: Objective) -> Key:
    """The key by which trials and configurations are sorted; the best one has the smallest key.

    Args:
        value: of the best epoch, or the mean of several; none or NaN if there is none.
        index: the place in the plan.
    """
    return STAGES[status], objective.place(value), index


def of_trial(trial: Ranked) -> Key:
    return key(trial.status, trial.value, trial.index, trial.objective)


def of_configuration(trials: Sequence[Ranked], seeds: int = 1) -> Key:
    """The key by which a configuration is sorted.

    Args:
        trials: all trials of the configuration, at least one.
        seeds: the number of seeds that are asked for.
    """
    came_to = status.of_configuration([trial.status for trial in trials], seeds, any(trial.epochs for trial in trials))
    value, first = mean(trial.value for trial in trials), min(trial.index for trial in trials)
    return key(came_to, value, first, trials[0].objective)


def configurations(trials: Iterable[T], seeds: int = 1) -> list[list[T]]:
    """The trials of each configuration, in the order of the plan; the best configuration first."""
    groups: defaultdict[str, list[T]] = defaultdict(list)
    for trial in sorted(trials, key=attrgetter("index")):
        groups[key_of(trial.config)].append(trial)
    return sorted(groups.values(), key=lambda group: of_configuration(group, seeds))


def leading(trials: Sequence[T], seeds: int) -> list[T]:
    """The trials of the best configuration; on one seed, where a configuration is one trial, the best trial."""
    if seeds == 1:
        return [min(trials, key=of_trial)] if trials else []
    return next(iter(configurations(trials, seeds)), [])


def finished(trials: Sequence[T], seeds: int) -> list[T]:
    """The trials of the best configuration if it has finished, else none."""
    best = leading(trials, seeds)
    return best if best and of_configuration(best, seeds)[0] == STAGES["finished"] else []


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are neither None nor NaN; exactly rounded, so that their order does not matter."""
    known = [value for value in values if value is not None and not isnan(value)]
    return fmean(known) if known else None
