"""The same pixels in two splits: what is measured there was partly learned by heart, or learned under another name."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from trainables.data.split import mixed
from trainables.files.durable import Record

STEP = 256  # images at once, which stay in the processor's cache
PAIRS = (("val", "train"), ("test", "train"), ("test", "val"))  # images of the first that stand in the second as well
MULTIPLIER, SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)


def count(images: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> list[Record]:
    """For each pair of splits that share pixels, how many images of `split` stand in `also` too, and of another class only.

    Args:
        images: uint8 (N, 32, 32, 3) of train, val and test.
        labels: int64 (N,) likewise.
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
