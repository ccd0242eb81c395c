"""How sure an accuracy or a difference of two is. Tests hold it equal to scipy, which takes half a second to import."""

from math import log
from statistics import NormalDist

import numpy as np

LEVEL = 0.05  # differences with an adjusted p-value above it are ties; intervals cover 1 - LEVEL

Array = np.ndarray


def wilson(successes: Array, images: int) -> tuple[Array, Array]:
    """The Wilson interval of a proportion: sound near 0 and 1, where the best accuracies are."""
    z, share = NormalDist().inv_cdf(1 - LEVEL / 2), np.asarray(successes, float) / images
    centre = share + z**2 / (2 * images)
    half = z * np.sqrt(share * (1 - share) / images + (z / (2 * images)) ** 2)
    low, high = (centre - half) / (1 + z**2 / images), (centre + half) / (1 + z**2 / images)
    return np.minimum(np.maximum(low, 0), share), np.maximum(np.minimum(high, 1), share)  # against rounding at 0 and 1


def mcnemar(wins: int, losses: int) -> float:
    """Exact two-sided p-value of McNemar's test: are the images that only one of two gets right shared out evenly?"""
    fewer, discordant = min(wins, losses), wins + losses
    steps = np.arange(1, fewer + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log((discordant - steps + 1) / steps))])  # of the binomial coefficients
    return min(1.0, 2 * float(np.exp(logs - discordant * log(2)).sum()))


def largest_mcnemar(better: int, worse: int, images: int) -> float:
    """The largest p-value that `mcnemar` could give for these two counts, whichever images they are of."""
    losses = min(worse, images - better)  # at most all that the better one gets wrong
    return mcnemar(better - worse + losses, losses)


def two_proportions(first: int, second: int, images: int) -> float:
    """Two-sided p-value of the pooled z-test: have two independent counts out of `images` each the same proportion?"""
    share = (first + second) / (2 * images)
    error = (share * (1 - share) * 2 / images) ** 0.5
    return 1.0 if first == second else 2 * NormalDist().cdf(-abs(first - second) / images / error)


def holm(p_values: Array) -> Array:
    """Holm's adjustment: with many comparisons one small p-value is no surprise."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    return adjusted
