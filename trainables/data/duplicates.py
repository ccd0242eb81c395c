"""Count images with equal or similar pixels in two splits, whose scores measure memory instead of new images."""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np

from trainables.data.split import mixed
from trainables.files.durable import Record

ALIKE = 4  # most of 64 bits in which the hashes of two pictures that look alike differ
STEP = 256  # images at once, few enough for the processor's cache
PAIRS = (("val", "train"), ("test", "train"), ("test", "val"))  # images of the first are looked for in the second
MULTIPLIER, SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)


def count(images: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> list[Record]:
    """Records for the pairs of splits that share images: the number of images of `split` that are in `also` too.

    `relabelled` in a record is the number of these images that have no duplicate with their own label in `also`.

    Args:
        images: uint8 (N, S, S, 3) of train, val and test.
        labels: int64 (N,) of train, val and test.
    """
    seen = {split: hashes(own) for split, own in images.items()}
    labelled = {split: seen[split] ^ mixed(own.astype(np.uint64)) for split, own in labels.items()}
    found = []
    for split, other in PAIRS:
        same = np.isin(seen[split], seen[other])
        if number := int(same.sum()):
            unlike = int((same & ~np.isin(labelled[split], labelled[other])).sum())
            found.append(
                {"split": split, "also": other, "images": number, **({"relabelled": unlike} if unlike else {})}
            )
    return found


def across(seen: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> Record | None:
    """The record, as `count` makes it, of images in folds: the number that are in another fold too; None if there are none.

    Args:
        seen: the hashes of the images, uint64 (N,).
        labels, folds: the label and the fold of each image, int64 (N,).
    """
    labelled, same, unlike = seen ^ mixed(labels.astype(np.uint64)), 0, 0
    for fold in np.unique(folds):
        held = folds == fold
        elsewhere = np.isin(seen[held], seen[~held])
        same += int(elsewhere.sum())
        unlike += int((elsewhere & ~np.isin(labelled[held], labelled[~held])).sum())
    found = {"split": "val", "also": "train", "images": same, **({"relabelled": unlike} if unlike else {})}
    return found if same else None


def hashes(images: np.ndarray) -> np.ndarray:
    """A hash of each image, uint8 (N, ...) to uint64 (N,). Two different images collide with a chance of 1 in 2 ** 64.

    The hash is the sum over the eight-byte words of an image; each word is mixed, and multiplied by an odd number that depends
    on the word's position.
    """
    size = math.prod(images.shape[1:])
    rows = images.reshape(len(images), size)
    weights = mixed(np.arange(-(-size // 8), dtype=np.uint64)) | np.uint64(1)
    return np.concatenate([np.empty(0, np.uint64), *_sums(rows, weights)])


def _sums(rows: np.ndarray, weights: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(rows), STEP):
        some = _words(rows[first : first + STEP])
        values = some >> SHIFT
        values ^= some
        values *= MULTIPLIER
        values ^= values >> SHIFT
        yield values @ weights


def _words(rows: np.ndarray) -> np.ndarray:
    """The bytes of each row as eight-byte words, uint8 (N, bytes) to uint64 (N, words), padded with zeros."""
    if short := -rows.shape[1] % 8:
        rows = np.pad(rows, ((0, 0), (0, short)))
    return rows.view(np.uint64)


def near(images: Mapping[str, np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
    """For each pair of splits the positions, int64, of images of the first that look like or equal one of the second."""
    seen = {split: looks(own) for split, own in images.items()}
    return {(split, other): np.flatnonzero(_has_like(seen[split], seen[other])) for split, other in PAIRS}


def looks(images: np.ndarray) -> np.ndarray:
    """The difference hash of an image, uint64 (N,): one bit for each of 8 x 8 cells, set if the cell on its right is brighter.

    Args:
        images: uint8 (N, S, S, 3).
    """
    found = [_looks(images[first : first + STEP]) for first in range(0, len(images), STEP)]
    return np.concatenate([np.empty(0, np.uint64), *found])


def _looks(images: np.ndarray) -> np.ndarray:
    grey = images.astype(np.float32).mean(-1)
    high, wide = (np.linspace(0, images.shape[1], count).round().astype(int) for count in (9, 10))
    rows = np.stack([grey[:, first:last].mean(1) for first, last in pairwise(high)], 1)
    places = np.stack([rows[:, :, first:last].mean(-1) for first, last in pairwise(wide)], -1)
    bits = (places[:, :, :-1] < places[:, :, 1:]).reshape(len(grey), 64)
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def _has_like(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    found = [np.zeros(0, bool)]
    for first in range(0, len(hashes), STEP):
        some = hashes[first : first + STEP, None] ^ others[None, :]
        found.append((np.bitwise_count(some) <= ALIKE).any(1))
    return np.concatenate(found)
