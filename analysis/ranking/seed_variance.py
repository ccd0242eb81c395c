"""How far a seed moves one configuration and not the others. A few seeds say little of one, so all of them are looked at."""

import numpy as np
from scipy.special import digamma, polygamma

from analysis.ranking.statistics import Array


def apart(values: Array) -> tuple[Array, float]:
    """The variance of one value of each configuration from seed to seed, without what the seed does to all alike.

    Each is drawn towards what all have in common, as far as they agree with each other, which gives it more degrees of
    freedom (Smyth 2004, "Linear Models and Empirical Bayes Methods", Statistical Applications in Genetics and Molecular
    Biology 3: the moderated t).

    Args:
        values: (configurations, seeds), at least two of each.

    Returns:
        The variances, (configurations,), and the degrees of freedom of each.
    """
    configurations, seeds = values.shape
    rest = values - values.mean(axis=0)
    own = rest.var(axis=1, ddof=1) * configurations / (configurations - 1)
    freedom, most = seeds - 1, (configurations - 1) * (seeds - 1)
    floor = 1e-5 * np.median(own)  # the same value on each seed by chance
    if configurations < 3 or not floor > 0:
        return np.full(configurations, own.mean()), float(most)
    common, weight = prior(np.maximum(own, floor), freedom)
    if not np.isfinite(weight):
        return np.full(configurations, own.mean()), float(most)
    return (weight * common + freedom * own) / (weight + freedom), min(weight + freedom, float(most))


def average(values: Array) -> tuple[float, float]:
    """One variance for all configurations, also those that are not among them, and its degrees of freedom, rather too few."""
    variances, freedom = apart(values)
    return float(variances.mean()), freedom


def prior(variances: Array, freedom: int) -> tuple[float, float]:
    """What variances that were each estimated with `freedom` degrees have in common, and how many degrees that is worth.

    From mean and variance of their logarithms; infinitely many where they differ no more than chance has them differ.
    """
    logs = np.log(variances) - digamma(freedom / 2) + np.log(freedom / 2)
    excess = logs.var(ddof=1) - polygamma(1, freedom / 2)
    if excess <= 0:
        return float(variances.mean()), np.inf
    half = inverse_trigamma(float(excess))
    return float(np.exp(logs.mean() + digamma(half) - np.log(half))), 2 * half


def inverse_trigamma(value: float) -> float:
    """The x whose trigamma function is `value` > 0, by Newton's method on its reciprocal, which is convex and so never fails."""
    x = 0.5 + 1 / value
    for _ in range(100):
        own = polygamma(1, x)
        step = own * (1 - own / value) / polygamma(2, x)
        x += step
        if abs(step) < 1e-8 * x:
            break
    return float(x)
