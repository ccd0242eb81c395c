"""How far a seed moves one configuration and not the others, estimated from all configurations together.

A few seeds tell little about a single configuration.
"""

import numpy as np
from scipy.special import digamma, polygamma

from analysis.ranking.statistics import Array


def apart(values: Array) -> tuple[Array, float]:
    """The variance of each configuration from seed to seed, without the effect of a seed that all configurations share.

    The variance of each configuration is drawn towards a common variance. The better the variances agree with each other, the
    stronger is this pull, and the more degrees of freedom each variance gains (Smyth 2004, "Linear Models and Empirical Bayes
    Methods", Statistical Applications in Genetics and Molecular Biology 3: the moderated t).

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
    """One variance for all configurations, also for those that are not in `values`, and its degrees of freedom.

    The number of degrees of freedom is rather too small than too large.
    """
    variances, freedom = apart(values)
    return float(variances.mean()), freedom


def prior(variances: Array, freedom: int) -> tuple[float, float]:
    """The common value of variances that were each estimated with `freedom` degrees, and its own degrees of freedom.

    Both follow from the mean and the variance of the logarithms of the variances. The degrees of freedom are infinite if the
    variances differ no more than by chance.
    """
    logs = np.log(variances) - digamma(freedom / 2) + np.log(freedom / 2)
    excess = logs.var(ddof=1) - polygamma(1, freedom / 2)
    if excess <= 0:
        return float(variances.mean()), np.inf
    half = inverse_trigamma(float(excess))
    return float(np.exp(logs.mean() + digamma(half) - np.log(half))), 2 * half


def inverse_trigamma(value: float) -> float:
    """The x whose trigamma function is `value` > 0, by Newton's method.

    Newton's method works on the reciprocal of the trigamma function. The reciprocal is convex, so the method never fails.
    """
    x = 0.5 + 1 / value
    for _ in range(100):
        own = polygamma(1, x)
        step = own * (1 - own / value) / polygamma(2, x)
        x += step
        if abs(step) < 1e-8 * x:
            break
    return float(x)
