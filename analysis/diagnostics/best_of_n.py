"""How good the best of n trials is, for every n: what a search gave for its cost, with the luck of the draw told.

The estimate is the mean over all ways to draw n of the trials (Tang et al. 2020, "Showing Your Work Doesn't Always Work":
without replacement, so that it is unbiased). The band is distribution-free and holds for all n at once (Lourie, Choi and He
2024, "Show Your Work with Confidence": a band for the distribution of one trial, here Dvoretzky, Kiefer and Wolfowitz's with
Massart's constant, carried over to the best of n). Both take the trials for independent draws from the space, which those
of a random search are, and larger values for better; the band takes them to lie between known bounds.
"""

import math

import numpy as np

from analysis.ranking.statistics import LEVEL


def expected_best(values: np.ndarray, draws: int) -> float:
    """Mean over all subsets of `draws` of the values of the largest one; `draws` is from 1 to len(values)."""
    ordered, count = np.sort(values), len(values)
    logs = log_binomials(count)
    smaller = np.arange(count)  # how many values there are below each, by rank
    possible = smaller >= draws - 1
    weights = np.zeros(count)
    weights[possible] = np.exp(
        logs[smaller[possible]] - logs[draws - 1] - logs[smaller[possible] - draws + 1]
        - (logs[count] - logs[draws] - logs[count - draws])
    )  # fmt: skip
    return float((weights * ordered).sum())


def log_binomials(count: int) -> np.ndarray:
    """log(0!), log(1!), ..., log(count!)."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])


def band(values: np.ndarray, draws: int, least: float = 0.0, most: float = 1.0) -> tuple[float, float]:
    """Bounds of the expected best of `draws` new trials that hold, for all numbers of draws at once, with 1 - LEVEL.

    Args:
        least: what no value can be below.
        most: what none can be above.
    """
    ordered, count = np.sort(values), len(values)
    widths = np.diff(np.concatenate([[least], ordered, [most]]))
    share = np.arange(count + 1) / count  # of values up to there
    half = math.sqrt(math.log(2 / LEVEL) / (2 * count))
    high, low = np.minimum(share + half, 1), np.maximum(share - half, 0)
    high[-1], low[0] = 1, 0
    return float(most - (high**draws * widths).sum()), float(most - (low**draws * widths).sum())


def best_so_far(values: np.ndarray, costs: np.ndarray, budget: float) -> float | None:
    """The largest value of the first trials whose costs add up to at most the budget; none if not even the first does."""
    paid = values[np.cumsum(costs) <= budget]
    return float(paid.max()) if len(paid) else None
