"""What a sitting measures on: device, images, and how much of everything."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from benchmarks.session import trials
from trainables.data.loading import Dataset, Split
from trainables.engine.lanes import Lane


@dataclass(frozen=True)
class Setting:
    """Attributes:
    small: tried out on a CPU, with numbers that mean nothing.
    dataset, data_dir: as a search is given them.
    """

    device: str
    precision: str
    images: Dataset
    small: bool
    folder: Path  # for files that are in the way of nobody
    dataset: str = "digits"
    data_dir: Path = Path("data")

    @cached_property
    def lanes(self) -> list[Lane]:
        return trials.made(self.device, 3 if self.small else 32)

    @cached_property
    def few(self) -> Dataset:
        """Some images: full batches of 128 and a ragged one."""
        return part(self.images, 70 if self.small else 20 * 128 + 40, 30 if self.small else 1500)

    @property
    def batch(self) -> int:
        return 16 if self.small else 128

    @property
    def seconds(self) -> float:
        """That a rate is measured for."""
        return 0.02 if self.small else 1.0


def part(images: Dataset, train: int, val: int) -> Dataset:
    """The first images of each split."""
    splits = [
        Split(split.images[:count].copy(), split.labels[:count].copy())
        for split, count in ((images.train, train), (images.val, val))
    ]
    return replace(images, train=splits[0], val=splits[1], sizes={**images.sizes, "train": len(splits[0].labels)})
