"""Who is best: the one order of trials, and of configurations on several seeds. Loads neither pandas nor torch.

Finished ones come first, because a stopped one was never given its whole training. Within a stage the value of the best epoch
decides, then the place in the plan; what has no value comes last in its stage.
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

STAGES = {"finished": 0, "stopped": 1, "running": 2, "planned": 2, "diverged": 3, "failed": 4}

Key = tuple[int, float, int]


class Ranked(Protocol):
    """What is known of a trial that has a place: one of the ledger, or one that is shown while it runs."""

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
    """What is sorted by, best first.

    Args:
        value: of the best epoch, or the mean of several; none or NaN if there is none.
        index: the place in the plan.
    """
    return STAGES[status], objective.place(value), index


def of_trial(trial: Ranked) -> Key:
    return key(trial.status, trial.value, trial.index, trial.objective)


def of_configuration(trials: Sequence[Ranked], seeds: int = 1) -> Key:
    """The same for the trials of one configuration, of which `seeds` are asked for."""
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
    """Those of the first configuration; on one seed, where a configuration is one trial, the first trial."""
    if seeds == 1:
        return [min(trials, key=of_trial)] if trials else []
    return next(iter(configurations(trials, seeds)), [])


def finished(trials: Sequence[T], seeds: int) -> list[T]:
    """Those of the first configuration, if it has finished."""
    best = leading(trials, seeds)
    return best if best and of_configuration(best, seeds)[0] == STAGES["finished"] else []


def mean(values: Iterable[float | None]) -> float | None:
    """Of the values that are there; exactly rounded, so that it depends on no order."""
    known = [value for value in values if value is not None and not isnan(value)]
    return fmean(known) if known else None
