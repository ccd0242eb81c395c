"""When a trial is stopped early: successive halving as pure functions. No Ray, no files.

asha decides when a trial arrives. Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning" (MLSys 2020),
in the variant that only stops (Ray's AsyncHyperBandScheduler): at a rung a trial goes on unless it is worse than the best
1/reduction_factor of those that were there before it. A test holds both to the same decisions.

sha decides when all have arrived, so the order of arrival does not matter. Source: Jamieson & Talwalkar, "Non-stochastic
Best Arm Identification and Hyperparameter Optimization" (AISTATS 2016).
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np


def milestones(grace_period: int, reduction_factor: int, epochs: int) -> list[int]:
    """The epochs of the rungs: grace_period times powers of reduction_factor, all before the last epoch."""
    rungs = []
    epoch = grace_period
    while epoch < epochs:
        rungs.append(epoch)
        epoch *= reduction_factor
    return rungs


def cutoff(values: Sequence[float], reduction_factor: int) -> float | None:
    """The value a trial must reach at a rung where `values` were seen; none for the first to arrive."""
    if not values:
        return None
    return float(np.percentile(values, (1 - 1 / reduction_factor) * 100))


def decide(
    rungs: Mapping[int, Sequence[float]], epoch: int, value: float, reduction_factor: int
) -> tuple[bool, float | None]:
    """Whether a trial that reached a rung stops, and the cutoff it was held against.

    Args:
        rungs: epoch of each rung to the values of the trials that reached it before.
        epoch: one of the rungs.
        value: val_accuracy of the trial there.
    """
    bar = cutoff(rungs[epoch], reduction_factor)
    return bar is not None and value < bar, bar


def survivors(values: Mapping[int, float], reduction_factor: int) -> set[int]:
    """The trials of a whole rung that go on: the best 1/reduction_factor, at least one, the first planned on ties."""
    best_first = sorted(values, key=lambda trial: (-values[trial], trial))
    return set(best_first[: math.ceil(len(values) / reduction_factor)])
