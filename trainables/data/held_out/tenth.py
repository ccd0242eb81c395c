"""Hold out a tenth of the training images if a data set has no validation images; with groups, whole groups."""

import hashlib
from collections.abc import Sequence

import numpy as np

from trainables.data import split

TENTH = 10  # one image in this many is held out


def held_out(labels: np.ndarray, groups: Sequence[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training and of the validation images, int64 and ascending; the same on every machine.

    Args:
        labels: int64 (N,).
        groups: the group of each image, or empty. Images of one group stay in one split.
    """
    count = round(len(labels) / TENTH)
    val = grouped(labels, groups, count) if len(groups) else split.stratified(labels, count, split.VALIDATION)
    return np.setdiff1d(np.arange(len(labels)), val), val


def grouped(labels: np.ndarray, groups: Sequence[str], count: int) -> np.ndarray:
    """Positions of the images of whole groups, about `count` in all, with shares of the classes as among all images.

    A group counts for its most common class. Each class with several groups keeps at least one group for training. The groups of
    a class are tried in the order of a hash of their names.
    """
    names, of = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    table = np.zeros((len(names), int(labels.max(initial=0)) + 1), np.int64)
    np.add.at(table, (of, labels), 1)
    sizes, classes = table.sum(1), table.argmax(1)
    totals = np.bincount(classes, sizes, minlength=table.shape[1]).astype(np.int64)
    hashes = [hashlib.sha256(str(name).encode("utf-8", "surrogateescape")).digest() for name in names]
    order = np.array(sorted(range(len(names)), key=hashes.__getitem__), np.int64)
    chosen: list[int] = []
    for value, quota in enumerate(split.quotas(totals, count)):
        chosen += _near(order[classes[order] == value], sizes, int(quota))
    return np.flatnonzero(np.isin(of, chosen))


def _near(members: np.ndarray, sizes: np.ndarray, quota: int) -> list[int]:
    """Some but not all of the groups `members`, with about `quota` images; at least one of several if quota is above 0."""
    taken: list[int] = []
    total = 0
    for place in members.tolist():
        if len(taken) + 1 < len(members) and 2 * (quota - total) >= sizes[place]:
            taken.append(place)
            total += int(sizes[place])
    if not taken and quota and len(members) > 1:  # otherwise a class of few images would not be validated
        return [min(members.tolist(), key=sizes.__getitem__)]
    return taken
