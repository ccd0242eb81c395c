"""The same pixels in two splits: what is measured there was partly learned by heart."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from trainables.durable import Record
from trainables.split import mixed

STEP = 256  # images at once, which stay in the processor's cache
PAIRS = (("val", "train"), ("test", "train"), ("test", "val"))  # images of the first that stand in the second as well
MULTIPLIER, SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)


def count(splits: Mapping[str, np.ndarray]) -> list[Record]:
    """For each pair of splits that share pixels, how many images of `split` stand in `also` too.

    Args:
        splits: uint8 (N, 32, 32, 3) of train, val and test.
    """
    found = {split: hashes(images) for split, images in splits.items()}
    pairs = ((split, other, int(np.isin(found[split], found[other]).sum())) for split, other in PAIRS)
    return [{"split": split, "also": other, "images": number} for split, other, number in pairs if number]


def hashes(images: np.ndarray) -> np.ndarray:
    """uint64 (N,) of uint8 (N, ...): equal for equal images; of unlike ones, one pair in 2 ** 64 meets by chance.

    The sum over the eight-byte words of an image, each mixed and multiplied by an odd number that belongs to its place.
    """
    words = images.reshape(len(images), math.prod(images.shape[1:])).view(np.uint64)
    weights = mixed(np.arange(words.shape[1], dtype=np.uint64)) | np.uint64(1)
    return np.concatenate([np.empty(0, np.uint64), *_sums(words, weights)])


def _sums(words: np.ndarray, weights: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(words), STEP):
        some = words[first : first + STEP]
        values = some >> SHIFT
        values ^= some
        values *= MULTIPLIER
        values ^= values >> SHIFT
        yield values @ weights
