"""Which parameters mattered, held against what chance would show.

Importance is Optuna's PED-ANOVA: how unlike the best quarter's values of a parameter are to all values of it. Source: Watanabe,
Bansal & Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces" (IJCAI 2023). Optuna
takes most of a second to import, so it is imported only when there is enough to say.
"""

import contextlib
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from analysis.ranges import Range, ranges
from search.ledger import Run, Trial

FEWEST = 10  # configurations; with less, chance explains anything
MOST = 200  # trials, evenly over the plan: what needs more of them to show is small, and this takes a second
SHUFFLES = 20  # the largest of so many chance results is exceeded by chance in 1 of 21 cases
BEST = 0.25  # share of the trials that count as good


class Importance(NamedTuple):
    """What is known about one parameter: its share of all importance, and the largest share that chance gave it."""

    share: float
    noise: float

    @property
    def matters(self) -> bool:
        return self.share > self.noise


class Mattered(NamedTuple):
    """The importance of each searched parameter, largest first, and on what it rests."""

    parameters: dict[str, Importance]
    epoch: int
    configurations: int


def mattered(run: Run, trials: Sequence[Trial]) -> Mattered | None:
    """The importance of the searched parameters among these trials; none if there are too few to say.

    Trials are compared by their best accuracy up to the last epoch that at least half of them reached: those that were stopped
    early are then not worse for having been stopped. All seeds of a configuration count once, with their mean: they are no
    independent evidence of what its parameters do.
    """
    epoch = shared_epoch(trials)
    seeds: dict[str, list[Trial]] = {}
    for trial in trials:
        if len(trial.epochs) >= epoch:
            config = {key: value for key, value in sorted(trial.config.items()) if key != "epochs"}
            seeds.setdefault(repr(config), []).append(trial)
    fair = list(seeds.values())
    fair = [fair[place] for place in np.unique(np.linspace(0, len(fair) - 1, min(len(fair), MOST)).round().astype(int))]
    keys = [key for key in run.identity["space_params"] if len({repr(own[0].config.get(key)) for own in fair}) > 1]
    if len(fair) < FEWEST or not keys:
        return None
    values = np.array([np.mean([best_until(trial, epoch) for trial in own]) for own in fair])
    real, *chance = shuffled([own[0] for own in fair], keys, ranges(run), values)
    total = sum(real.values()) or 1.0
    found = {key: Importance(real[key] / total, max(each[key] for each in chance) / total) for key in keys}
    order = sorted(keys, key=lambda key: (-found[key].share, keys.index(key)))
    return Mattered({key: found[key] for key in order}, epoch, len(fair))


def best_until(trial: Trial, epoch: int) -> float:
    """The best val_accuracy of its first epochs."""
    return max(float(row["val_accuracy"]) for row in trial.epochs[:epoch])


def shared_epoch(trials: Sequence[Trial]) -> int:
    """The last epoch that at least half of the trials with any epoch reached."""
    lengths = sorted((len(trial.epochs) for trial in trials if trial.epochs), reverse=True)
    return max(1, lengths[(len(lengths) - 1) // 2]) if lengths else 1


def shuffled(
    trials: Sequence[Trial], keys: Sequence[str], known: Mapping[str, Range], values: np.ndarray
) -> list[dict[str, float]]:
    """The raw importance of each parameter: of these values, then of SHUFFLES permutations of them, always the same ones."""
    import optuna

    with without("sklearn"):
        from optuna.importance import PedAnovaImportanceEvaluator
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    dice = np.random.default_rng(0)
    orders = [np.arange(len(values)), *(dice.permutation(len(values)) for _ in range(SHUFFLES))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the evaluator is announced as experimental
        evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST)
        study = study_of(trials, keys, known)
        return [
            evaluator.evaluate(study, list(keys), target=lambda trial, own=values[order]: -float(own[trial.number]))
            for order in orders
        ]


@contextlib.contextmanager
def without(package: str) -> Iterator[None]:
    """Let what is imported inside do without a package that is not loaded yet.

    Optuna's importance loads scikit-learn, and with it scipy.stats, for another evaluator: over a second, for nothing here.
    """
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # importing it is an ImportError, which Optuna is prepared for
    try:
        yield
    finally:
        del sys.modules[package]


def study_of(trials: Sequence[Trial], keys: Sequence[str], known: Mapping[str, Range]) -> Any:
    """The trials as an Optuna study in memory; their value is given later."""
    import optuna

    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    spreads = {key: distribution(known.get(key), [trial.config.get(key) for trial in trials]) for key in keys}
    study.add_trials(
        optuna.trial.create_trial(
            params={key: trial.config[key] for key in keys if key in trial.config},
            distributions={key: spreads[key] for key in keys if key in trial.config},
            value=0.0,
        )
        for trial in trials
    )
    return study


def distribution(own: Range | None, values: Sequence[Any]) -> Any:
    """The range as Optuna has it; what cannot be read back is a choice of the values that were tried."""
    from optuna import distributions

    if own is None or own.values or not all(own.low <= value <= own.high for value in values if value is not None):
        present = dict.fromkeys(value for value in values if value is not None)
        return distributions.CategoricalDistribution(sorted(present, key=lambda value: (str(type(value)), value)))
    if own.whole:
        return distributions.IntDistribution(int(own.low), int(own.high), log=own.log)
    return distributions.FloatDistribution(own.low, own.high, log=own.log)
