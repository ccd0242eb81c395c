"""scikit-learn's handwritten digits as 32x32 RGB images: a small data set that needs no download."""

from pathlib import Path

import numpy as np

from trainables.data import cache, split
from trainables.data.cache import Written
from trainables.data.sources.base import Options, Source, save_training

COUNT = 1797
CLASSES = tuple("0123456789")
HELD_OUT = 300  # images of each of the validation and test splits; the other 1,197 are for training


def source(dataset: str, _: Options) -> Source:
    """The source of digits, which needs no files."""
    return Source(dataset, cache.key(dataset, ""), write, images=COUNT)


def write(folder: Path) -> Written:
    """Decode and split all images, and save them as array files."""
    images, labels = read()
    test = split.stratified(labels, HELD_OUT, split.TEST)
    rest = np.setdiff1d(np.arange(len(labels)), test)
    cache.save_split(folder, "test", images[test], labels[test])
    save_training(folder, images[rest], labels[rest], HELD_OUT)
    return Written(CLASSES)


def read() -> tuple[np.ndarray, np.ndarray]:
    """All COUNT images, uint8 (N, 32, 32, 3), and their labels, int64 (N,)."""
    from sklearn.datasets import load_digits  # takes a second or two to load

    bunch = load_digits()
    return enlarge(bunch.images.astype(np.int64)), bunch.target.astype(np.int64)


def enlarge(grey: np.ndarray) -> np.ndarray:
    """Enlarge images bilinearly: int64 (N, 8, 8), 0 to 16, to uint8 (N, 32, 32, 3). Integers give equal results anywhere."""
    weights = _weights()
    sums = weights @ grey @ weights.T  # 0 to 16 * 8 * 8
    pixels = (sums * 255 + 512) // 1024
    return np.repeat(pixels.astype(np.uint8)[..., None], 3, axis=3)


def _weights() -> np.ndarray:
    """Bilinear weights in eighths, int64 (32, 8). Pixel i lies at (2i - 3) / 8 of the source, with aligned pixel centres."""
    weights = np.zeros((32, 8), np.int64)
    for row in range(32):
        left, eighths = divmod(2 * row - 3, 8)
        weights[row, max(left, 0)] += 8 - eighths
        weights[row, min(left + 1, 7)] += eighths
    return weights
