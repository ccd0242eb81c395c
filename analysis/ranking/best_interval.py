"""The 95 % interval of a value that was picked for being the best of many: such a choice favours good luck.

Upwards it reaches as far as any other. The truth of the picked one is at most that of the truly best candidate, whose estimate
is at most the largest, so that the upper bound of one fixed candidate bounds the picked one, too. Downwards it reaches further.
Over images the nearer of two bounds counts, each with half of the error:

- of all candidates at once (Bonferroni's, valid however they depend on each other);
- given that the picked one is ahead (the distribution of an estimate that had to pass the next one: Andrews, Kitagawa and
  McCloskey 2024, "Inference on Winners", Quarterly Journal of Economics). It is short where the lead is clear.

That each bound may be broken by half as many searches is why the better one may be taken. Zrnic and Fithian 2024, "A Flexible
Defense Against the Winner's Curse" (arXiv 2411.18569), solve the same problem with one radius that shrinks as the others fall
behind; the epochs of a trial are candidates here, of which only the counts are kept, and for those their radius gains little.

What is assumed: the candidates do not depend on the values (as those of TPE do), and no two networks that see the same images
are right on different ones by preference (their covariance is not negative).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import log_ndtr, ndtri, stdtrit

from analysis.frame import valued
from analysis.ranking import seed_variance, statistics
from analysis.ranking.statistics import LEVEL, Array
from search.algorithms.table import ALGORITHMS, adaptive
from search.status import LOST

BELOW = LEVEL / 2  # chance that the lower end lies too high; the same is left for the upper one
FAR = 40.0  # standard errors; no bound lies further away
ADAPTIVE = {
    "warm",
    *filter(adaptive, ALGORITHMS),
}  # sources of points that depend on earlier values, maybe on the same images


def of_images(hits: int, images: int, candidates: int, own: int, lead: float | None) -> tuple[float, float]:
    """The interval of the accuracy of the best of many trained networks.

    Args:
        hits: images of so many `images` that the best gets right.
        candidates: networks that could have been picked, each epoch of each trial one.
        own: those of them that are epochs of the best's own trial.
        lead: how many more images it gets right than any candidate of another trial; none if something other than the
            final values had a part in the choice, as early stopping has, or if there is no other trial.
    """
    factor = at_once(candidates)
    if lead is not None:
        factor = at_once(candidates, BELOW / 2)
        low, _ = statistics.wilson(np.array(hits), images, factor)
        error = (hits - float(low) * images) / factor  # in images, downwards
        factor = min(factor, given_lead(lead / error if error > 0 else 0.0, BELOW / 2 / own))
    low, _ = statistics.wilson(np.array(hits), images, factor)
    _, high = statistics.wilson(np.array(hits), images)
    return float(low), float(high)


def at_once(candidates: int, chance: float = BELOW) -> float:
    """How many standard errors up any of so many normal values may lie at most, but for this chance."""
    return float(-ndtri(chance / candidates))


def given_lead(lead: float, chance: float) -> float:
    """How many standard errors a value that is ahead by `lead` of them may lie above its mean, but for this chance.

    A normal value that is looked at only where it exceeds x - lead, x being what it is: the u for which the chance to exceed u,
    given that u - lead is exceeded, is `chance`.
    """
    low, high = 0.0, FAR
    while high - low > 1e-9:
        middle = (low + high) / 2
        is_enough = log_ndtr(-middle) - log_ndtr(lead - middle) <= np.log(chance)
        low, high = (low, middle) if is_enough else (middle, high)
    return high


def of_seeds(
    values: Array, candidates: int, bounds: Sequence[float] = (0.0, 1.0), wide: float = 1.0
) -> tuple[float, float]:
    """The interval of the mean, over all seeds there could be, of the best of several configurations. Larger is better.

    What a seed does to all configurations alike had no part in the choice. What it does to each one apart had, so that part
    reaches as far as for all candidates at once. The two are independent, and their radii add up as the sides of a right angle
    (Graybill and Wang 1980, "Confidence Intervals on Nonnegative Linear Combinations of Variances").

    Args:
        values: (configurations, seeds), the best configuration first; at least two of each, not all rows the same.
        candidates: configurations that could have been picked, at least those.
        bounds: between which values lie.
        wide: how much larger standard errors are than those of independent values, see `statistics.of_folds`.
    """
    configurations, seeds = values.shape
    means, own = values.mean(axis=1), 1 - 1 / configurations
    variances, freedom = seed_variance.apart(values)
    errors = wide * np.sqrt(variances * own / seeds)
    together = wide * statistics.t_factor(seeds) * values.mean(axis=0).std(ddof=1) / np.sqrt(seeds)
    down = np.hypot(together, stdtrit(freedom, 1 - BELOW / candidates) * errors[0])
    ups = means + np.hypot(together, stdtrit(freedom, 1 - BELOW) * errors)  # whichever is truly the best
    return max(bounds[0], float(means[0] - down)), min(bounds[1], float(ups.max()))


# The first row of a ranking ----------------------------------------------------------------------------------------------


def best_network(ranked: pd.DataFrame, images: int, *, stops: bool) -> pd.DataFrame:
    """ranked, one trained network a row, with the interval of the first row as of the best of all; of accuracy alone.

    Args:
        ranked: with `low` and `high` already.
        stops: whether trials could be stopped early, so that not the final values alone decided.
    """
    finished = ranked[ranked["status"] == "finished"]
    if finished.empty or not valued.objective_of(ranked).is_accuracy:
        return ranked
    hits = (valued.values(finished) * images).round().astype(int).tolist()
    lead = None if stops or len(hits) < 2 else float(hits[0] - hits[1])
    found = of_images(hits[0], images, networks(ranked), int(finished["epochs_allowed"].iloc[0]), lead)
    return with_first(ranked, found)


def best_configuration(ranked: pd.DataFrame, values: Array, folds: int = 0) -> pd.DataFrame:
    """ranked, one configuration on several seeds or folds a row, with the interval of the first row as of the best of all.

    Args:
        ranked: with `low` and `high` already; a first row without them has none to correct.
        values: of the finished rows, which come first, on each seed: (finished, seeds).
    """
    if len(values) < 2 or ranked["low"].isna().iloc[0]:
        return ranked
    objective, candidates = valued.objective_of(ranked), int(is_candidate(ranked).sum())
    bounds, wide = sorted(map(objective.signed, valued.limits(objective))), statistics.of_folds(values.shape[-1], folds)
    found = of_seeds(objective.signed(values), candidates, bounds, wide)
    low, high = sorted(map(objective.signed, found))
    return with_first(ranked, (low, high))


def with_first(ranked: pd.DataFrame, bounds: tuple[float, float]) -> pd.DataFrame:
    """ranked with another interval in its first row."""
    first = np.arange(len(ranked)) == 0
    return ranked.assign(
        **{key: ranked[key].mask(first, end) for key, end in zip(("low", "high"), bounds, strict=True)}
    )


def networks(ranked: pd.DataFrame) -> int:
    """How many trained networks could have been picked: each epoch of each trial is one, trained or spared."""
    return int(ranked["epochs_allowed"][is_candidate(ranked)].sum())


def is_candidate(ranked: pd.DataFrame) -> pd.Series:
    """Which rows could have been the best: all that have a value, also those that were stopped early for it."""
    return valued.values(ranked).notna() & ~ranked["status"].isin(LOST)


def depends_on_values(ranked: pd.DataFrame) -> bool:
    """Whether values seen before decided what was tried, so that the candidates are not what this interval takes them for."""
    return bool(set(ranked["source"]) & ADAPTIVE)
