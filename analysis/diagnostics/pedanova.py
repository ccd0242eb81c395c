"""PED-ANOVA: how much a parameter's values in the best trials differ from its values in all trials.

Source: Watanabe, Bansal & Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces"
(IJCAI 2023). The numbers equal those of Optuna's evaluator, as a test checks. Optuna's evaluator takes one selection of the
best trials at a time; this module takes many selections at once.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from analysis.frame.ranges import Range

MOST_BINS = 50  # of an interval
NARROWEST = 0.5 / 1.64  # standard deviation of a kernel in bins: nine tenths of it lie in its own bin
TINY = 1e-12  # added to each density, against a division by nothing


class Binned(NamedTuple):
    """The bin of each value of a parameter, counted from 0; the bins of an interval are ordered, those of names are not."""

    places: np.ndarray
    bins: int
    is_ordered: bool


def binned(own: Range, values: Sequence[Any]) -> Binned:
    """Put values into bins; a value outside of an interval goes into the bin at the nearer end."""
    if own.values and not own.is_wide:
        return levels(values)
    bins = number_of_bins(own)
    places = np.array([own.position(value) for value in values]) * (bins - 1)
    return Binned(np.clip(np.ceil(places - 0.5), 0, bins - 1).astype(int), bins, True)


def levels(values: Sequence[Any]) -> Binned:
    """Make one bin for each distinct value."""
    names = list(map(repr, values))
    known = {name: place for place, name in enumerate(sorted(set(names)))}
    return Binned(np.array([known[name] for name in names]), len(known), False)


def number_of_bins(own: Range) -> int:
    """The number of bins, as in Optuna; whole numbers on a log scale get one bin per doubling and one more."""
    if own.values:
        return min(len(own.numbers), MOST_BINS)
    if not own.whole:
        return MOST_BINS
    numbers = int(own.high - own.low) + 1
    return min(math.ceil(math.log2(numbers)) + 1 if own.log else numbers, MOST_BINS)


def divergence(best: np.ndarray, every: np.ndarray, is_ordered: bool) -> np.ndarray:
    """Pearson's divergence between the density of the best and that of all trials.

    Args:
        best: how many of the best trials lie in each bin, for each selection, of shape (selections, bins); each row has the
            same sum, which is at least 1.
        every: how many of all trials lie in each bin, of shape (bins,).

    Returns:
        Shape (selections,); 0 where the best are all trials.
    """
    density = ordered_density if is_ordered else unordered_density
    top, local = density(best) + TINY, density(every[None]) + TINY
    return (((top / local - 1) ** 2) * local).sum(axis=1)


def unordered_density(counts: np.ndarray) -> np.ndarray:
    """The density of each bin without order, smoothed by one extra trial that is spread over all bins evenly."""
    total, bins = counts[0].sum(), counts.shape[1]
    prior = 1 / ((counts > 0).sum(axis=1, keepdims=True) + 1)
    kernels = (total * prior + counts) / (bins * prior + 1)
    return (kernels + 1 / bins) / (total + 1)


def ordered_density(counts: np.ndarray) -> np.ndarray:
    """The density of ordered bins: a truncated normal kernel per trial, of Scott's width, and one wide kernel in the middle."""
    total, bins = counts[0].sum(), counts.shape[1]
    middle = np.diff(ndtr((np.arange(bins + 1) - bins / 2) / bins))
    return (smoothed(counts, bandwidths(counts)) + middle / middle.sum()) / (total + 1)


def bandwidths(counts: np.ndarray) -> np.ndarray:
    """The standard deviation of the kernels of each selection, counted in bins, of shape (selections, 1)."""
    total, bins = int(counts[0].sum()), np.arange(counts.shape[1])
    centre = counts @ bins / total
    deviation = np.sqrt((counts * (bins - centre[:, None]) ** 2).sum(axis=1) / max(1, total - 1))
    below = counts.cumsum(axis=1)
    quarter = (below >= max(1, total // 4)).argmax(axis=1)
    three_quarters = (below > total * 3 // 4).argmax(axis=1)
    scott = 1.059 * np.minimum((three_quarters - quarter) / 1.34, deviation) * total**-0.2
    return np.maximum(scott, NARROWEST)[:, None]


def smoothed(counts: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The sum of the kernels of all bins, each kernel weighted by the count of its bin; the shape is that of `counts`."""
    bins = counts.shape[1]
    below = ndtr((np.arange(-bins, bins) + 0.5) / width)  # the share of a kernel below each edge between bins
    kernels = np.lib.stride_tricks.sliding_window_view(np.diff(below, axis=1), bins, axis=1)  # last bin's kernel first
    heights = counts[:, ::-1] / (below[:, bins:] - below[:, :bins])
    return np.einsum("sk,skb->sb", heights, kernels)
