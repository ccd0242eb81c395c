"""Stratified choices among labelled images that depend on nothing but the labels and a constant."""

import numpy as np

VALIDATION, TEST, FRACTION = 1, 2, 3  # what a choice is for; two purposes make independent choices


def stratified(labels: np.ndarray, count: int, purpose: int) -> np.ndarray:
    """Which `count` of the images to take, spread over the classes as the images are.

    Each class gives its share rounded down or up (largest remainder first, ties to the lower class), and within a class
    an integer hash of the position decides: the choice is the same on every machine and with every version of numpy.

    Args:
        labels: integers (N,).
        count: 0 to N.
        purpose: one of the constants above.

    Returns:
        Indices int64 (count,), ascending.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    ranks = _hashes(len(labels), purpose)
    chosen = []
    for value, quota in zip(classes, quotas(sizes, count), strict=True):
        members = np.flatnonzero(labels == value)
        chosen.append(members[np.argsort(ranks[members])[:quota]])
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


def quotas(sizes: np.ndarray, count: int) -> np.ndarray:
    """How many each class gives so that they sum to count: largest remainder, in exact integers."""
    total = int(sizes.sum())
    shares = sizes.astype(np.int64) * count
    given = shares // max(total, 1)
    largest = np.argsort(-(shares % max(total, 1)), kind="stable")
    given[largest[: count - int(given.sum())]] += 1
    return given


def _hashes(count: int, purpose: int) -> np.ndarray:
    """splitmix64 of (purpose, position): uint64 (count,), no two alike. numpy's own generators may change."""
    return mixed(np.arange(count, dtype=np.uint64) + np.uint64(purpose << 48))


def mixed(value: np.ndarray) -> np.ndarray:
    """splitmix64 of each value, uint64: unlike ones stay unlike."""
    value = value * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
