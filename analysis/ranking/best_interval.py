"""The 95 % interval of a value that was picked as the best of many. Such a choice favours good luck.

Upwards this interval reaches as far as an ordinary interval. The true value of the picked candidate is at most the true value
of the truly best candidate, and the estimate of the truly best candidate is at most the largest estimate. So the upper bound of
one fixed candidate also bounds the picked candidate. Downwards the interval reaches further than an ordinary one. Over images
there are two lower bounds, each with half of the error, and the nearer bound counts:

- a bound for all candidates at once (Bonferroni's, valid for any dependence between the candidates);
- a bound given that the picked candidate is ahead (the distribution of an estimate that had to exceed the next one: Andrews,
  Kitagawa and McCloskey 2024, "Inference on Winners", Quarterly Journal of Economics). This bound is near where the lead is
  clear.

Each bound may fail in half as many searches as the lower end may, so the nearer bound may be taken. Zrnic and Fithian 2024, "A
Flexible Defense Against the Winner's Curse" (arXiv 2411.18569), solve the same problem with one radius that shrinks as the other
candidates fall behind. Here the epochs of a trial are candidates too. Only the counts of these epochs are kept, and for such
candidates their radius gains little.

The interval assumes that the candidates do not depend on the values (the candidates of TPE do). It also assumes that no two
networks that see the same images are right on different images by preference (their covariance is not negative).
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
    """The 95 % interval of the accuracy of a network that was picked as the best of many trained networks.

    Args:
        hits: number of the `images` validation images that the best network gets right.
        candidates: number of networks that could have been picked; each epoch of each trial is one.
        own: number of those candidates that are epochs of the best network's own trial.
        lead: how many more images the best network gets right than any candidate of another trial. None if something other than
            the final values had a part in the choice, such as early stopping, or if there is no other trial.
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
    """How many standard errors above its mean any of `candidates` normal values lies at most.

    This bound fails with at most the probability `chance` (Bonferroni).
    """
    return float(-ndtri(chance / candidates))


def given_lead(lead: float, chance: float) -> float:
    """How many standard errors above its mean a value lies at most, given that the value leads by `lead` of them.

    This bound fails with probability `chance`. For a standard normal Z it is the u with P(Z > u | Z > u - lead) = `chance`.
    """
    low, high = 0.0, FAR
    while high - low > 1e-9:
        middle = (low + high) / 2
        is_enough = log_ndtr(-middle) - log_ndtr(lead - middle) <= np.log(chance)
        low, high = (low, middle) if is_enough else (middle, high)
    return high


def of_only(
    values: Array, candidates: int, bounds: Sequence[float] = (0.0, 1.0), wide: float = 1.0
) -> tuple[float, float]:
    """The interval of `of_seeds` for the only configuration that finished; `values` are its own, (seeds,).

    What the seeds did to the others is not known, so the whole spread of the configuration counts as its own.
    """
    mean, error = float(values.mean()), wide * float(values.std(ddof=1)) / len(values) ** 0.5
    down, up = (float(stdtrit(len(values) - 1, 1 - chance)) * error for chance in (BELOW / candidates, BELOW))
    return max(bounds[0], mean - down), min(bounds[1], mean + up)


def of_seeds(
    values: Array, candidates: int, bounds: Sequence[float] = (0.0, 1.0), wide: float = 1.0
) -> tuple[float, float]:
    """The 95 % interval of the mean of the best of several configurations over all possible seeds. Larger is better.

    A seed moves all configurations alike, and each configuration apart. The common part had no influence on the choice. The
    separate part had, so its lower radius covers all candidates at once. The two parts are independent, and their radii add up as
    the sides of a right angle (Graybill and Wang 1980, "Confidence Intervals on Nonnegative Linear Combinations of Variances").

    Args:
        values: (configurations, seeds), the best configuration first; at least two of each, not all rows the same.
        candidates: number of configurations that could have been picked, at least those of `values`.
        bounds: the smallest and the largest possible value.
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
    """Give the first row the interval of a network that was picked as the best of all. Only accuracy has this interval.

    Args:
        ranked: one trained network a row, with `low` and `high` already.
        stops: whether trials could be stopped early, so that the final values alone did not decide.
    """
    finished = ranked[ranked["status"] == "finished"]
    if finished.empty or not valued.objective_of(ranked).is_accuracy:
        return ranked
    hits = (valued.values(finished) * images).round().astype(int).tolist()
    lead = None if stops or len(hits) < 2 else float(hits[0] - hits[1])
    found = of_images(hits[0], images, networks(ranked), int(finished["epochs_allowed"].iloc[0]), lead)
    return with_first(ranked, found)


def best_configuration(ranked: pd.DataFrame, values: Array, folds: int = 0) -> pd.DataFrame:
    """Give the first row the interval of a configuration that was picked as the best of all, over seeds or folds.

    Args:
        ranked: one configuration a row, with `low` and `high` already. A first row without an interval stays without.
        values: (finished, seeds): the value of each finished row on each seed. The finished rows come first.
        folds: number of folds of each partition, if each seed has a fold of its own; else 0.
    """
    if not len(values) or ranked["low"].isna().iloc[0]:
        return ranked
    objective, candidates = valued.objective_of(ranked), int(is_candidate(ranked).sum())
    bounds, wide = sorted(map(objective.signed, valued.limits(objective))), statistics.of_folds(values.shape[-1], folds)
    signed = objective.signed(values)
    found = (
        of_seeds(signed, candidates, bounds, wide) if len(values) > 1 else of_only(signed[0], candidates, bounds, wide)
    )
    low, high = sorted(map(objective.signed, found))
    return with_first(ranked, (low, high))


def with_first(ranked: pd.DataFrame, bounds: tuple[float, float]) -> pd.DataFrame:
    """Replace the interval of the first row of ranked by `bounds`."""
    first = np.arange(len(ranked)) == 0
    return ranked.assign(
        **{key: ranked[key].mask(first, end) for key, end in zip(("low", "high"), bounds, strict=True)}
    )


def networks(ranked: pd.DataFrame) -> int:
    """How many trained networks could have been picked: each allowed epoch of each trial is one, trained or not."""
    return int(ranked["epochs_allowed"][is_candidate(ranked)].sum())


def is_candidate(ranked: pd.DataFrame) -> pd.Series:
    """Which rows could have been the best: all with a value, also stopped ones, but none that diverged or failed."""
    return valued.values(ranked).notna() & ~ranked["status"].isin(LOST)


def depends_on_values(ranked: pd.DataFrame) -> bool:
    """Whether earlier values decided which candidates were tried. The interval assumes that they did not."""
    return bool(set(ranked["source"]) & ADAPTIVE)
