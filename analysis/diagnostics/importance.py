"""Which parameters mattered, held against what chance would show.

Importance is PED-ANOVA: how unlike the best quarter's values of a parameter are to all values of it. That quarter is taken
within each value of the parameter that decides about another: so the rates of an optimizer are compared with each other, and
what the optimizer does is no effect of its rates. The p-value is that of a permutation test.
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
    """What is known about one parameter.

    Attributes:
        share: of the importance of all.
        chance: the mean of that share over the shuffles.
        p_value: share of the shuffles, with the values as they are, that give at least this importance.
        adjusted: the same, adjusted by Holm for all parameters of the search.
    """

    share: float
    chance: float
    p_value: float
    adjusted: float

    @property
    def matters(self) -> bool:
        return self.adjusted <= statistics.LEVEL


class Mattered(NamedTuple):
    """The importance of the searched parameters, furthest above chance first, and on what it rests.

    Attributes:
        untold: parameters of which these configurations cannot say anything: no order of theirs would be a surprise.
    """

    parameters: dict[str, Importance]
    untold: list[str]
    epoch: int
    configurations: int


def mattered(run: Run, trials: Sequence[Trial]) -> Mattered | None:
    """The importance of the searched parameters among these trials; none if there are too few to say.

    A parameter without effect is as likely to have its values in any other order, so each importance is held against those of
    SHUFFLES random orders. With Holm's adjustment a search without any effect has a parameter that matters in at most
    LEVEL of all cases. This takes the points for chosen without regard to results.
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
    """Shares and p-values, given for each parameter its importance and those of the shuffles."""
    total = sum(own[0] for own in found.values()) or 1.0
    p_values = [p_value(own) for own in found.values()]
    return {
        key: Importance(float(own[0] / total), float(own[1:].mean() / total), p, float(holm))
        for (key, own), p, holm in zip(found.items(), p_values, statistics.holm(np.array(p_values)), strict=True)
    }


def p_value(own: np.ndarray) -> float:
    """The share of all orders, the real one among them, that give at least the importance of the real one, the first."""
    return float((own >= own[0] * (1 - SAME)).mean())


def can_tell(shuffled: np.ndarray) -> bool:
    """Whether any importance would be a surprise: not where a whole part of the shuffles has the largest one that there is."""
    return bool((shuffled >= shuffled.max() * (1 - SAME)).mean() <= statistics.LEVEL)


def importances(key: str, own: Searched | None, entries: Sequence[Entry], objective: Objective) -> np.ndarray:
    """The importance of one parameter, and after it those of SHUFFLES shuffles, which are always the same ones.

    The sum over its cases, each by its share of the configurations.
    """
    dice, found = np.random.default_rng(0), np.zeros(1 + SHUFFLES)
    for values, places in cases(key, own, entries):
        best = is_best(objective.signed(np.array([entries[place].value for place in places])))
        selections = np.vstack([best_in(values, best), shuffled(values, int(best.sum()), dice)])
        every = np.bincount(values.places, minlength=values.bins)
        found += len(places) / len(entries) * pedanova.divergence(selections, every, values.is_ordered)
    return found


def cases(key: str, own: Searched | None, entries: Sequence[Entry]) -> Iterator[tuple[pedanova.Binned, Sequence[int]]]:
    """The values of a parameter in each case that has a range of several, and whose they are."""
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
    """Which values are in the best quarter, ties with its last value included; larger is better."""
    number = math.ceil(BEST * len(values))
    return values >= np.partition(values, -number)[-number]


def best_in(values: pedanova.Binned, best: np.ndarray) -> np.ndarray:
    """How many of the best lie in each bin."""
    return np.bincount(values.places[best], minlength=values.bins)


def shuffled(values: pedanova.Binned, best: int, dice: np.random.Generator) -> np.ndarray:
    """The same for shuffled values, of shape (SHUFFLES, bins): any so many of the trials are then the best."""
    every = np.bincount(values.places, minlength=values.bins)
    return dice.multivariate_hypergeometric(every, best, size=SHUFFLES, method="count")
