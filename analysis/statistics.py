"""How sure an accuracy or a difference of two accuracies is. Everything takes and gives arrays."""

import numpy as np
from scipy.special import bdtr, ndtr, ndtri

LEVEL = 0.05  # differences with an adjusted p-value above it are ties; intervals cover 1 - LEVEL

Array = np.ndarray


def wilson(successes: Array, images: int) -> tuple[Array, Array]:
    """The Wilson interval of a proportion: sound near 0 and 1, where the best accuracies are."""
    z, share = ndtri(1 - LEVEL / 2), np.asarray(successes, float) / images
    centre = share + z**2 / (2 * images)
    half = z * np.sqrt(share * (1 - share) / images + (z / (2 * images)) ** 2)
    low, high = (centre - half) / (1 + z**2 / images), (centre + half) / (1 + z**2 / images)
    return np.minimum(np.maximum(low, 0), share), np.maximum(np.minimum(high, 1), share)  # against rounding at 0 and 1


def mcnemar(wins: Array, losses: Array) -> Array:
    """Exact two-sided p-values of McNemar's test: are images that one gets right and the other wrong equally many?"""
    discordant = np.add(wins, losses)
    return np.minimum(1.0, 2 * bdtr(np.minimum(wins, losses).astype(float), discordant, 0.5))


def two_proportions(first: Array, second: Array, images: int) -> Array:
    """Two-sided p-values of the pooled z-test: have counts of `images` each, drawn independently, one share?"""
    share = np.add(first, second) / (2 * images)
    error = np.sqrt(share * (1 - share) * 2 / images)
    distance = np.abs(np.subtract(first, second)) / images
    return np.where(distance > 0, 2 * ndtr(-distance / np.where(error > 0, error, 1)), 1.0)


def holm(p_values: Array) -> Array:
    """Holm's adjustment: with many comparisons one small p-value is no surprise."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    return adjusted
