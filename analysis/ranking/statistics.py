"""Intervals and p-values of accuracies and their differences. Pure functions over arrays with scipy.special's distributions.

scipy.stats has most of these too, and the tests hold them equal, but importing it takes a second and its tests take no arrays.
"""

import numpy as np
from scipy.special import bdtr, ndtr, ndtri, stdtr, stdtrit

LEVEL = 0.05  # differences with an adjusted p-value above it are ties; intervals cover 1 - LEVEL

Array = np.ndarray


def wilson(successes: Array, images: int, z: float = float(ndtri(1 - LEVEL / 2))) -> tuple[Array, Array]:
    """The Wilson interval of a proportion: sound near 0 and 1, where the best accuracies are.

    Args:
        z: how many standard errors it reaches to each side; those of a 95 % interval if nothing else is said.
    """
    share = np.asarray(successes, float) / images
    centre = share + z**2 / (2 * images)
    half = z * np.sqrt(share * (1 - share) / images + (z / (2 * images)) ** 2)
    low, high = (centre - half) / (1 + z**2 / images), (centre + half) / (1 + z**2 / images)
    return np.minimum(np.maximum(low, 0), share), np.maximum(np.minimum(high, 1), share)  # against rounding at 0 and 1


def t_interval(mean: Array, deviation: Array, number: Array) -> tuple[Array, Array]:
    """Student's interval of the mean of `number` values with this standard deviation; for fewer than two it is NaN."""
    number = np.asarray(number, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = t_factor(number) * np.asarray(deviation, float) / np.sqrt(number)
    return mean - half, mean + half


def t_factor(number: Array | int) -> Array:
    """How many standard errors Student's interval of the mean of `number` values reaches to each side."""
    return stdtrit(np.asarray(number, float) - 1, 1 - LEVEL / 2)


def mcnemar(wins: Array, losses: Array) -> Array:
    """Exact two-sided p-value of McNemar's test: are the images that only one of two gets right shared out evenly?"""
    fewer, discordant = np.minimum(wins, losses), np.asarray(wins) + losses
    return np.minimum(1.0, 2 * bdtr(np.asarray(fewer, float), np.asarray(discordant, int), 0.5))


def largest_mcnemar(better: Array, worse: Array, images: int) -> Array:
    """The largest p-value that `mcnemar` could give for these two counts, whichever images they are of."""
    losses = most_discordant(better, worse, images)
    return mcnemar(better - worse + losses, losses)


def most_discordant(better: Array, worse: Array, images: int) -> Array:
    """How many images the worse of two may get right and the better one not: at most all that the better one gets wrong."""
    return np.minimum(worse, images - np.asarray(better))


def on_other_seeds(wins: Array, losses: Array, images: int, variance: float, freedom: float) -> Array:
    """Two-sided p-value of the difference between two configurations that were trained on one seed each, the same one.

    Args:
        wins, losses: images that only the one, and only the other, gets right.
        variance: of the value of a configuration from seed to seed, without what a seed does to all; the same for both.
        freedom: degrees of freedom that it was estimated with.
    """
    wins, losses = np.asarray(wins, float), np.asarray(losses, float)
    error = np.sqrt((wins + losses) / images**2 + 2 * variance)
    t = np.divide(np.abs(wins - losses) / images, error, out=np.zeros_like(error), where=error > 0)
    return np.minimum(1.0, 2 * stdtr(freedom, -t))


def two_proportions(first: Array, second: Array, images: int) -> Array:
    """Two-sided p-value of the pooled z-test: have two independent counts out of `images` each the same proportion?"""
    share = (np.asarray(first, float) + second) / (2 * images)
    error = np.sqrt(share * (1 - share) * 2 / images)
    z = np.divide(-np.abs(np.asarray(first, float) - second) / images, error, out=np.zeros_like(error), where=error > 0)
    return np.minimum(1.0, 2 * ndtr(z))


def of_folds(number: int, folds: int) -> float:
    """By how much the standard error of the mean of `number` values, each of another fold, exceeds that of independent ones.

    Trainings on folds share most of their images, so their values vary less than those on new images would: Nadeau and Bengio
    2003, "Inference for the Generalization Error" (Machine Learning 52), add the ratio of held out to training images, here
    1 / (folds - 1), to 1 / number. 1 without folds.
    """
    return (1 + number / (folds - 1)) ** 0.5 if folds else 1.0


def paired_t(differences: Array, least: float = 0.0, wide: float = 1.0) -> Array:
    """Two-sided p-values of the paired t-test, one for each row of differences, of shape (..., seeds).

    Args:
        least: standard deviation to take where all differences are the same number, which show none of their own; with 0
            such a row is not judged (1).
        wide: how much larger the standard error is than that of independent values, see `of_folds`.
    """
    number = differences.shape[-1]
    if number < 2:
        return np.ones(differences.shape[:-1])
    spread = differences.std(axis=-1, ddof=1)
    spread = np.where(spread > 1e-12, spread, least) * wide
    t = np.divide(differences.mean(axis=-1) * np.sqrt(number), spread, out=np.zeros_like(spread), where=spread > 1e-12)
    return np.minimum(1.0, 2 * stdtr(number - 1, -np.abs(t)))


def grouped_t(values: Array, groups: Array) -> float:
    """Two-sided p-value of the mean of some values that are independent between groups, and not within them.

    The sum over each group counts as one observation (the variance of a ratio estimate, as for cluster samples: Cochran 1977,
    "Sampling Techniques", chapter 9). 1 with fewer than two groups.

    Args:
        values: (N,).
        groups: int64 (N,), the group of each, from 0.
    """
    number = int(groups.max(initial=-1)) + 1
    sums, sizes = np.bincount(groups, values, number), np.bincount(groups, minlength=number)
    mean = values.mean() if len(values) else 0.0
    if number < 2 or mean == 0:
        return 1.0
    error = (number / (number - 1) * ((sums - mean * sizes) ** 2).sum()) ** 0.5 / len(values)
    return float(2 * stdtr(number - 1, -abs(mean) / error)) if error > 0 else 0.0


def step(values: Array) -> float:
    """The smallest difference between any two of these values that differ, which is one image or more; 0 if none does."""
    gaps = np.diff(np.unique(np.asarray(values, float).round(9)))
    return float(gaps.min()) if len(gaps) else 0.0


def holm(p_values: Array, others: int = 0, clear: int = 0) -> Array:
    """Holm's adjustment: with many comparisons one small p-value is no surprise.

    Args:
        p_values: of the comparisons that can matter.
        others: how many more are made, and belong to the same family.
        clear: those of the others that are known to be at most LEVEL / (number of all), so that Holm rejects them at once.
            The rest of the others is taken to show nothing, which only makes the result more careful.
    """
    p_values = np.asarray(p_values, float)
    order, total = np.argsort(p_values, kind="stable"), len(p_values) + others
    sorted_values = p_values[order]
    before = np.where(sorted_values > LEVEL / max(total, 1), clear, 0)  # others that are out of the way by then
    factors = total - np.arange(len(p_values)) - before
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(sorted_values * factors))
    return adjusted


def expected_best(number: int) -> float:
    """By how many standard deviations the best of so many equal ones is expected to lie above their mean.

    The expected maximum of so many independent standard normal values.
    """
    x = np.linspace(-12, 12, 4801)
    density = number * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) * ndtr(x) ** (number - 1)
    return float(np.trapezoid(x * density, x))
