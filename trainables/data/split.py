"""Stratified choices among labelled images, which depend only on the labels and a constant."""

import numpy as np

VALIDATION, TEST, FRACTION = 1, 2, 3  # purposes of a choice; two purposes give independent choices


def stratified(labels: np.ndarray, count: int, purpose: int) -> np.ndarray:
    """Choose `count` of the images, with the shares of the classes as they are among all images.

    Each class gives its share rounded down or up (largest remainder first, ties to the lower class). Within a class an integer
    hash of the position decides, so the choice is the same on every machine and with every version of numpy.

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
    """The number of images that each class gives, `count` in all: the largest remainder method, in exact integers."""
    total = int(sizes.sum())
    shares = sizes.astype(np.int64) * count
    given = shares // max(total, 1)
    largest = np.argsort(-(shares % max(total, 1)), kind="stable")
    given[largest[: count - int(given.sum())]] += 1
    return given


def _hashes(count: int, purpose: int) -> np.ndarray:
    """splitmix64 of (purpose, position): uint64 (count,), all different. numpy's own generators may change."""
    return mixed(np.arange(count, dtype=np.uint64) + np.uint64(purpose << 48))


def mixed(value: np.ndarray) -> np.ndarray:
    """splitmix64 of each value, uint64: different values have different results."""
    value = value * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
