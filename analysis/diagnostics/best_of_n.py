"""Estimate the value of the best of n trials for every n, with a confidence band.

The estimate is the mean over all ways to draw n of the trials (Tang et al. 2020, "Showing Your Work Doesn't Always Work":
without replacement, so that the estimate is unbiased). The band is distribution-free and holds for all n at once (Lourie, Choi
and He 2024, "Show Your Work with Confidence"). It starts from a band for the distribution of one trial, here the band of
Dvoretzky, Kiefer and Wolfowitz with Massart's constant, and carries this band over to the best of n.

The estimate and the band assume that larger values are better and that the trials are independent draws from the space, as in
a random search. The band also assumes that all values lie between known bounds.
"""

import math

import numpy as np

from analysis.ranking.statistics import LEVEL


def expected_best(values: np.ndarray, draws: int) -> float:
    """The mean of the largest value over all subsets of `draws` values; `draws` is from 1 to len(values)."""
    ordered, count = np.sort(values), len(values)
    logs = log_factorials(count)
    smaller = np.arange(count)  # how many values there are below each, by rank
    possible = smaller >= draws - 1
    weights = np.zeros(count)
    weights[possible] = np.exp(
        logs[smaller[possible]] - logs[draws - 1] - logs[smaller[possible] - draws + 1]
        - (logs[count] - logs[draws] - logs[count - draws])
    )  # fmt: skip
    return float((weights * ordered).sum())


def log_factorials(count: int) -> np.ndarray:
    """log(0!), log(1!), ..., log(count!)."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])


def band(values: np.ndarray, draws: int, least: float = 0.0, most: float = 1.0) -> tuple[float, float]:
    """Bounds of the expected best of `draws` new trials; they hold for all numbers of draws at once, with 1 - LEVEL.

    Args:
        least: the lower bound of every value.
        most: the upper bound of every value.
    """
    ordered, count = np.sort(values), len(values)
    widths = np.diff(np.concatenate([[least], ordered, [most]]))
    share = np.arange(count + 1) / count  # of the values that lie at or below each step
    half = math.sqrt(math.log(2 / LEVEL) / (2 * count))
    high, low = np.minimum(share + half, 1), np.maximum(share - half, 0)
    high[-1], low[0] = 1, 0
    return float(most - (high**draws * widths).sum()), float(most - (low**draws * widths).sum())


def best_so_far(values: np.ndarray, costs: np.ndarray, budget: float) -> float | None:
    """The largest value of the first trials whose costs add up to at most the budget; None if the first costs more."""
    paid = values[np.cumsum(costs) <= budget]
    return float(paid.max()) if len(paid) else None
