"""Points from an Optuna sampler, given the results of earlier trials: a pure function over ask and tell.

Study and sampler are made anew for each point, so nothing has to be restored.
"""

import itertools
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from search.algorithms.base import Adaptive, Told, first_new, redraws
from spaces import Choice, Point, Range, Space, by_axis, rows
from trainables.config import key_of
from trainables.objective import Objective
from trainables.seeds import derive

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

ATTEMPTS = 50  # points asked for in a row; if all are known or not allowed, the point is drawn at random


class Sampled(Adaptive):
    """An algorithm that takes its points from an Optuna sampler.

    The sampler is told a finished trial with its best value, a trial that was stopped early as pruned with its curve, and a
    diverged or failed trial as failed. Until ten trials count, points are random (Optuna's default).
    """

    libraries: ClassVar[tuple[str, ...]] = ("optuna",)

    @abstractmethod
    def sampler(self, seed: int) -> "optuna.samplers.BaseSampler":
        """A fresh sampler.

        Args:
            seed: from 0, below 2 ** 32.
        """

    def told(self, trial: Told) -> Told:
        """A trial as this sampler is told of it."""
        return trial

    def suggest(self, space: Space, seed: int, index: int, told: Sequence[Told], objective: Objective) -> Point:
        import optuna

        known = {key_of(trial.config) for trial in told}

        def is_new(point: Point) -> bool:
            config = space.config(point)
            return key_of(config) not in known and space.refusal(config) is None

        name = type(self).__name__.lower()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings(action="ignore"):  # some of what is used is called experimental
            sampler = self.sampler(derive(seed, name, index) % 2**32)
            asked = itertools.islice(points(space, sampler, [self.told(trial) for trial in told], objective), ATTEMPTS)
            return first_new(space, index, itertools.chain(asked, redraws(space, seed, index)), is_new)


def points(
    space: Space, sampler: "optuna.samplers.BaseSampler", told: Sequence[Told], objective: Objective
) -> Iterator[Point]:
    """The points that a fresh sampler proposes, one after another; a point counts as failed once another one is wanted."""
    import optuna

    direction = "maximize" if objective.mode == "max" else "minimize"
    study = optuna.create_study(direction=direction, sampler=sampler)
    study.add_trials([frozen(space, trial, objective) for trial in told])
    while True:
        trial = study.ask()
        yield define(space, trial)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)


def define(space: Space, trial: "optuna.Trial") -> Point:
    """A point, asked for parameter by parameter; parameters that depend on others come last."""
    free = taken(trial, space.free)
    applying = space.ranges(free)
    rest = taken(trial, {key: range_ for key, range_ in applying.items() if key not in free})
    return {key: {**free, **rest}[key] for key in applying}


def taken(trial: "optuna.Trial", ranges: Mapping[str, Range]) -> Point:
    point: Point = {}
    for members in by_axis(ranges):
        point |= take(trial, members)
    return point


def take(trial: "optuna.Trial", members: Mapping[str, Range]) -> Point:
    """Ask for the value of one parameter, or for the place in the lists of linked parameters."""
    name, (key, range_) = name_of(members), next(iter(members.items()))
    if isinstance(range_, Choice):
        return rows(members)[trial.suggest_categorical(name, places(members))]
    if range_.step:
        return {key: range_.nth(trial.suggest_int(name, 0, range_.steps))}
    if range_.whole:
        return {key: trial.suggest_int(name, range_.low, range_.high, log=range_.log)}
    return {key: range_.rounded(trial.suggest_float(name, range_.low, range_.high, log=range_.log))}


def name_of(members: Mapping[str, Range]) -> str:
    """The parameter's name in the study; it contains the range, because each case of a when() is a parameter of its own."""
    return ", ".join(f"{key}: {range_}" for key, range_ in members.items())


def places(members: Mapping[str, Range]) -> list[int]:
    return list(range(len(rows(members))))


def frozen(space: Space, told: Told, objective: Objective) -> "optuna.trial.FrozenTrial":
    """An earlier trial as Optuna keeps it."""
    from optuna.trial import TrialState, create_trial

    states = {"finished": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "running": TrialState.RUNNING}
    known = [(name_of(members), *placed(members, told.config)) for members in by_axis(space.ranges(told.config))]
    return create_trial(
        state=states.get(told.status, TrialState.FAIL),
        params={name: value for name, _, value in known},
        distributions={name: distribution for name, distribution, _ in known},
        value=objective.best(told.values) if told.status == "finished" else None,
        intermediate_values=dict(enumerate(told.values, 1)) if told.status == "stopped" else None,
    )


def placed(members: Mapping[str, Range], config: Mapping[str, Any]) -> tuple["BaseDistribution", int | float]:
    """The distribution that `take` would have asked for, and the answer that gives the values of this configuration."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    key, range_ = next(iter(members.items()))
    if isinstance(range_, Choice):
        place = rows(members).index({name: config[name] for name in members})
        return CategoricalDistribution(places(members)), place
    if range_.step:
        return IntDistribution(0, range_.steps), round((config[key] - range_.low) / range_.step)
    if range_.whole:
        return IntDistribution(range_.low, range_.high, log=range_.log), config[key]
    return FloatDistribution(range_.low, range_.high, log=range_.log), config[key]
