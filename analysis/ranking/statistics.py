"""Intervals and p-values of accuracies and their differences.

All functions are pure, and most work on arrays with the distributions of scipy.special.
scipy.stats has most of these functions too, and the tests of this project check that both agree. But importing scipy.stats takes
a second, and its statistical tests take no arrays.
"""

import numpy as np
from scipy.special import bdtr, ndtr, ndtri, stdtr, stdtrit

LEVEL = 0.05  # differences with an adjusted p-value above it are ties; intervals cover 1 - LEVEL

Array = np.ndarray


def wilson(successes: Array, images: int, z: float = float(ndtri(1 - LEVEL / 2))) -> tuple[Array, Array]:
    """The Wilson interval of a proportion: sound near 0 and 1, where the best accuracies are.

    Args:
        z: how many standard errors the interval reaches to each side; by default those of a 95 % interval.
    """
    share = np.asarray(successes, float) / images
    centre = share + z**2 / (2 * images)
    half = z * np.sqrt(share * (1 - share) / images + (z / (2 * images)) ** 2)
    low, high = (centre - half) / (1 + z**2 / images), (centre + half) / (1 + z**2 / images)
    return np.minimum(np.maximum(low, 0), share), np.maximum(np.minimum(high, 1), share)  # against rounding at 0 and 1


def t_interval(mean: Array, deviation: Array, number: Array) -> tuple[Array, Array]:
    """Student's 95 % interval of the mean of `number` values with this deviation; NaN for fewer than two."""
    number = np.asarray(number, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = t_factor(number) * np.asarray(deviation, float) / np.sqrt(number)
    return mean - half, mean + half


def t_factor(number: Array | int) -> Array:
    """How many standard errors Student's 95 % interval of the mean of `number` values reaches to each side."""
    return stdtrit(np.asarray(number, float) - 1, 1 - LEVEL / 2)


def mcnemar(wins: Array, losses: Array) -> Array:
    """Exact two-sided p-value of McNemar's test on the images that only one of two networks gets right.

    Under the null hypothesis, each network is the right one on half of these images.
    """
    fewer, discordant = np.minimum(wins, losses), np.asarray(wins) + losses
    return np.minimum(1.0, 2 * bdtr(np.asarray(fewer, float), np.asarray(discordant, int), 0.5))


def largest_mcnemar(better: Array, worse: Array, images: int) -> Array:
    """The largest p-value that `mcnemar` can give for two counts of right images, whichever images these are."""
    losses = most_discordant(better, worse, images)
    return mcnemar(better - worse + losses, losses)


def most_discordant(better: Array, worse: Array, images: int) -> Array:
    """How many images at most the worse of two networks gets right and the better one wrong."""
    return np.minimum(worse, images - np.asarray(better))


def on_other_seeds(wins: Array, losses: Array, images: int, variance: float, freedom: float) -> Array:
    """Two-sided p-value of the difference between two configurations that were both trained on the same single seed.

    Args:
        wins, losses: number of images that only the first gets right, and that only the second gets right.
        variance: of the value of a configuration from seed to seed, without the effect of a seed on all configurations. It is the
            same for both configurations.
        freedom: the degrees of freedom of `variance`.
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
    """The factor by which folds enlarge the standard error of the mean of `number` values, one value from each fold.

    Trainings on folds share most of their images, so their values vary less than values on new images would: Nadeau and Bengio
    2003, "Inference for the Generalization Error" (Machine Learning 52), add the ratio of held out to training images, here
    1 / (folds - 1), to 1 / number. The factor is 1 without folds.
    """
    return (1 + number / (folds - 1)) ** 0.5 if folds else 1.0


def paired_t(differences: Array, least: float = 0.0, wide: float = 1.0) -> Array:
    """Two-sided p-values of the paired t-test, one for each row of differences, of shape (..., seeds).

    Args:
        least: the standard deviation to use for a row whose differences are all the same number, and so show no spread. With 0
            such a row is not tested, and its p-value is 1.
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
    """Two-sided p-value of a mean, for values that are independent between groups but not within a group.

    The null hypothesis is a mean of 0. The sum over each group counts as one observation (the variance of a ratio estimate, as
    for cluster samples: Cochran 1977, "Sampling Techniques", chapter 9). The p-value is 1 with fewer than two groups.

    Args:
        values: (N,).
        groups: int64 (N,), the group of each value, from 0.
    """
    number = int(groups.max(initial=-1)) + 1
    sums, sizes = np.bincount(groups, values, number), np.bincount(groups, minlength=number)
    mean = values.mean() if len(values) else 0.0
    if number < 2 or mean == 0:
        return 1.0
    error = (number / (number - 1) * ((sums - mean * sizes) ** 2).sum()) ** 0.5 / len(values)
    return float(2 * stdtr(number - 1, -abs(mean) / error)) if error > 0 else 0.0


def step(values: Array) -> float:
    """The smallest difference between two unequal values, which is one image or more; 0 if all are the same."""
    gaps = np.diff(np.unique(np.asarray(values, float).round(9)))
    return float(gaps.min()) if len(gaps) else 0.0


def holm(p_values: Array, others: int = 0, clear: int = 0) -> Array:
    """Holm's adjustment of p-values for many comparisons, among which a small p-value is no surprise.

    Args:
        p_values: of the comparisons that can matter.
        others: number of further comparisons of the same family.
        clear: how many of the others have a p-value of at most LEVEL / (number of all comparisons), so that Holm rejects them at
            once. The rest of the others counts as showing nothing, which only makes the result more careful.
    """
    p_values = np.asarray(p_values, float)
    order, total = np.argsort(p_values, kind="stable"), len(p_values) + others
    sorted_values = p_values[order]
    before = np.where(sorted_values > LEVEL / max(total, 1), clear, 0)  # others that are out of the way by then
    factors = total - np.arange(len(p_values)) - before
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(sorted_values * factors))
    return adjusted


def expected_maximum(number: int) -> float:
    """The expected maximum of `number` independent standard normal values.

    The best of `number` equally good candidates is expected to lie this many standard deviations above their mean.
    """
    x = np.linspace(-12, 12, 4801)
    density = number * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) * ndtr(x) ** (number - 1)
    return float(np.trapezoid(x * density, x))
