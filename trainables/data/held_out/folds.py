"""Divide training and validation images into folds. Each fold in turn is held out, so each image is validated on once.

The fold of an image depends on the labels, the groups and constants alone, so it is the same in every process and run. A
partition is one way to divide the images into folds. A search uses the first partition, a confirmation the partitions after it.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainables.data import split
from trainables.data.split import mixed
from trainables.errors import DataError, UsageError

PURPOSE = 16  # purpose of the first partition; the purposes of trainables/data/split.py are smaller
LEAST = 2  # least number of folds, and of images in each
WRITTEN = re.compile(r"([1-9][0-9]*)/([1-9][0-9]*)")

assert max(split.VALIDATION, split.TEST, split.FRACTION) < PURPOSE


@dataclass(frozen=True)
class Fold:
    """The fold on which a trial is validated; the trial trains on all other training and validation images.

    Attributes:
        number: from 1. Numbers above `of` belong to further partitions: 6 of 5 is the first fold of the second partition.
        of: number of folds of each partition.
    """

    number: int
    of: int

    @property
    def partition(self) -> int:
        return (self.number - 1) // self.of

    @property
    def place(self) -> int:
        """The number of the fold within its partition, from 0."""
        return (self.number - 1) % self.of

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def parse(text: str) -> Fold:
    """The fold written in a text such as 2/5.

    Raises:
        UsageError: the text has another form.
    """
    found = WRITTEN.fullmatch(text)
    if found is None or int(found[2]) < LEAST:
        raise UsageError(f"--fold must be a fold such as 2/5, the second of five, but got {text!r}.")
    return Fold(int(found[1]), int(found[2]))


def size(images: int, fold: Fold) -> int:
    """The number of images in a fold, of `images` in all, if there are no groups."""
    return -(-(images - fold.place) // fold.of)


def assigned(labels: np.ndarray, groups: Sequence[int], folds: int, partition: int = 0) -> np.ndarray:
    """The fold of each image, int64 (N,), from 0.

    Args:
        labels: int64 (N,), of the training and then the validation images.
        groups: the group of each image, from 0, or empty. Images of one group are in one fold.
    """
    return _grouped(labels, groups, folds, partition) if len(groups) else _dealt(labels, folds, partition)


def _dealt(labels: np.ndarray, folds: int, partition: int) -> np.ndarray:
    """Deal the images out to the folds in turn, ordered by class and, within a class, by a hash of the position.

    So the sizes of two folds differ by at most one image, in all and in each class.
    """
    order = np.lexsort((_hashes(len(labels), partition), labels))
    found = np.empty(len(labels), np.int64)
    found[order] = np.arange(len(labels)) % folds
    return found


def _grouped(labels: np.ndarray, groups: Sequence[int], folds: int, partition: int) -> np.ndarray:
    """Assign whole groups to folds, the largest first. A group goes to the fold with the smallest share of its classes."""
    of = np.asarray(groups, np.int64)
    table = np.zeros((int(of.max()) + 1, int(labels.max(initial=0)) + 1))
    np.add.at(table, (of, labels), 1)
    totals, sizes = np.maximum(table.sum(0), 1), table.sum(1)
    there, found = np.zeros((folds, table.shape[1])), np.zeros(len(table), np.int64)
    for group in np.lexsort((_hashes(len(table), partition), -sizes)):
        crowded = (there / totals) @ table[group]
        found[group] = fold = np.lexsort((there.sum(1), crowded.round(9)))[0]
        there[fold] += table[group]
    return found[of]


def _hashes(count: int, partition: int) -> np.ndarray:
    """A hash of each position for a partition, uint64 (count,), all different."""
    return mixed(np.arange(count, dtype=np.uint64) + np.uint64(PURPOSE + partition << 48))


def check(labels: np.ndarray, of: np.ndarray, folds: int, classes: Sequence[str]) -> list[str]:
    """Check folds, and return a note if some fold has no images of a class, so the class is not measured there.

    Args:
        labels: int64 (N,).
        of: the fold of each image, int64 (N,).

    Raises:
        DataError: a fold has fewer than LEAST images, or all images of a class are in one fold.
    """
    table = np.zeros((folds, len(classes)), np.int64)
    np.add.at(table, (of, labels), 1)
    if table.sum(1).min() < LEAST:
        raise DataError(f"--folds {folds}: too few images or groups for so many folds. Use fewer folds, or add some.")
    lost = np.flatnonzero(((table.sum(0) - table) == 0).any(0))
    if len(lost):
        raise DataError(
            f"--folds {folds}: all images of {classes[lost[0]]} are in one fold, so no network can learn it while that fold "
            "is held out. Add some, of another group where there are groups."
        )
    absent = [name for name, own in zip(classes, table.T, strict=True) if not own.all()]
    more = f" and {len(absent) - 1:,} more" if len(absent) > 1 else ""
    return (
        [f"a fold has no images of {absent[0]}{more}, so it is not measured there. Use fewer folds."] if absent else []
    )


def digest(of: np.ndarray) -> str:
    """A hash of the fold of each image, 16 hex digits."""
    return hashlib.sha256(of.astype("<i8").tobytes()).hexdigest()[:16]
