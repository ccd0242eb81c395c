"""Measure which parameters mattered, and compare each importance with chance.

The importance is that of PED-ANOVA: how much a parameter's values in the best quarter of the trials differ from its values in
all trials. Where the range of a parameter depends on another parameter, the best quarter is taken within each value of that
other parameter. For example, learning rates are compared only among trials with the same optimizer, so the effect of the
optimizer is not counted as an effect of the learning rate. The p-value is that of a permutation test.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analysis.diagnostics import pedanova
from analysis.diagnostics.same_epoch import Entry, compare
from analysis.frame.ranges import Searched, searched, tried
from analysis.ranking import statistics
from search.run.ledger import Run, Trial
from trainables.config import canonical
from trainables.objective import Objective

FEWEST = 10  # configurations; with less, chance explains anything
SHUFFLES = 999  # the smallest p-value is 0.001: enough for Holm over fifty parameters
BEST = 0.25  # share of the trials that count as good
SAME = 1e-9  # importances that differ by less, relative to their size, are equal


class Importance(NamedTuple):
    """The importance of one parameter.

    Attributes:
        share: this parameter's share of the summed importance of all parameters.
        chance: the mean of that share over the shuffles.
        p_value: the share of orders (the shuffles and the real order) that give at least this importance.
        adjusted: the p-value, adjusted by Holm for all parameters of the search.
    """

    share: float
    chance: float
    p_value: float
    adjusted: float

    @property
    def matters(self) -> bool:
        return self.adjusted <= statistics.LEVEL


class Mattered(NamedTuple):
    """The importance of the searched parameters, furthest above chance first, and the data behind the numbers.

    Attributes:
        untold: parameters about which these configurations can say nothing: no order of the values would be a surprise.
        epoch: the epoch at which the configurations are compared.
        configurations: how many configurations are compared.
    """

    parameters: dict[str, Importance]
    untold: list[str]
    epoch: int
    configurations: int


def mattered(run: Run, trials: Sequence[Trial]) -> Mattered | None:
    """Measure the importance of the searched parameters among these trials; None if too little is known.

    If a parameter has no effect, every order of its values is equally likely. So each importance is compared with the
    importances of SHUFFLES random orders. With Holm's adjustment, a search in which no parameter has an effect reports one that
    matters in at most LEVEL of all cases. The test assumes that points were chosen without regard to results.
    """
    epoch, entries, _ = compare(trials)
    known = searched(run)
    keys = [key for key in run.identity.space_params if len({canonical(each.config.get(key)) for each in entries}) > 1]
    if len(entries) < FEWEST or not keys:
        return None
    found = {key: importances(key, known.get(key), entries, run.identity.objective) for key in keys}
    told = {key: own for key, own in found.items() if can_tell(own[1:])}
    if not told:
        return None
    parameters = adjusted(told)
    order = sorted(parameters, key=lambda key: parameters[key].chance - parameters[key].share)
    untold = [key for key in keys if key not in told]
    return Mattered({key: parameters[key] for key in order}, untold, epoch, len(entries))


def adjusted(found: Mapping[str, np.ndarray]) -> dict[str, Importance]:
    """Compute shares and p-values from each parameter's importance followed by the importances of the shuffles."""
    total = sum(own[0] for own in found.values()) or 1.0
    p_values = [p_value(own) for own in found.values()]
    return {
        key: Importance(float(own[0] / total), float(own[1:].mean() / total), p, float(holm))
        for (key, own), p, holm in zip(found.items(), p_values, statistics.holm(np.array(p_values)), strict=True)
    }


def p_value(own: np.ndarray) -> float:
    """The share of orders that give at least the importance of the real order; the first of `own` is the real order."""
    return float((own >= own[0] * (1 - SAME)).mean())


def can_tell(shuffled: np.ndarray) -> bool:
    """Whether a large importance would be a surprise: at most LEVEL of the shuffles reach the largest one among them."""
    return bool((shuffled >= shuffled.max() * (1 - SAME)).mean() <= statistics.LEVEL)


def importances(key: str, own: Searched | None, entries: Sequence[Entry], objective: Objective) -> np.ndarray:
    """The importance of one parameter, followed by the importances of SHUFFLES shuffles from a fixed seed.

    Each importance is a sum over the cases of the parameter's range, weighted by each case's share of the configurations.
    """
    dice, found = np.random.default_rng(0), np.zeros(1 + SHUFFLES)
    for values, places in cases(key, own, entries):
        best = is_best(objective.signed(np.array([entries[place].value for place in places])))
        selections = np.vstack([best_in(values, best), shuffled(values, int(best.sum()), dice)])
        every = np.bincount(values.places, minlength=values.bins)
        found += len(places) / len(entries) * pedanova.divergence(selections, every, values.is_ordered)
    return found


def cases(key: str, own: Searched | None, entries: Sequence[Entry]) -> Iterator[tuple[pedanova.Binned, Sequence[int]]]:
    """Yield the binned values of a parameter in each case with several different values, and the places of their entries."""
    own = own or tried([entry.config[key] for entry in entries if entry.config.get(key) is not None])
    for case, range_ in own.cases.items():
        places = [
            place
            for place, entry in enumerate(entries)
            if own.case(entry.config) == case and entry.config.get(key) is not None
        ]
        values = [entries[place].config[key] for place in places]
        if len(set(map(repr, values))) > 1:
            yield pedanova.binned(range_, values), places


def is_best(values: np.ndarray) -> np.ndarray:
    """Mark the values in the best quarter, including ties with the last value of that quarter; larger is better."""
    number = math.ceil(BEST * len(values))
    return values >= np.partition(values, -number)[-number]


def best_in(values: pedanova.Binned, best: np.ndarray) -> np.ndarray:
    """How many of the best values lie in each bin."""
    return np.bincount(values.places[best], minlength=values.bins)


def shuffled(values: pedanova.Binned, best: int, dice: np.random.Generator) -> np.ndarray:
    """Draw SHUFFLES times which `best` of the values are the best ones; counts in each bin, of shape (SHUFFLES, bins)."""
    every = np.bincount(values.places, minlength=values.bins)
    return dice.multivariate_hypergeometric(every, best, size=SHUFFLES, method="count")
