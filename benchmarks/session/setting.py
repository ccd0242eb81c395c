"""The setting of a sitting: device, images, and the sizes of the measurements."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from benchmarks.session import trials
from trainables.data.loading import Dataset, Split
from trainables.engine.lanes import Lane


@dataclass(frozen=True)
class Setting:
    """The setting of a sitting.

    Attributes:
        small: tiny sizes to try the program out on a CPU; the measured numbers then mean nothing.
        dataset, data_dir: the data set and its folder, as a search gets them.
    """

    device: str
    precision: str
    images: Dataset
    small: bool
    folder: Path  # for temporary files
    dataset: str = "digits"
    data_dir: Path = Path("data")

    @cached_property
    def lanes(self) -> list[Lane]:
        return trials.made(self.device, 3 if self.small else 32)

    @cached_property
    def few(self) -> Dataset:
        """The first images of the data set: several full batches and a smaller last batch."""
        return part(self.images, 70 if self.small else 20 * 128 + 40, 30 if self.small else 1500)

    @property
    def batch(self) -> int:
        return 16 if self.small else 128

    @property
    def seconds(self) -> float:
        """For how many seconds a rate is measured."""
        return 0.02 if self.small else 1.0


def part(images: Dataset, train: int, val: int) -> Dataset:
    """The data set with only the first images of the training and validation splits."""
    splits = [
        Split(split.images[:count].copy(), split.labels[:count].copy())
        for split, count in ((images.train, train), (images.val, val))
    ]
    return replace(images, train=splits[0], val=splits[1], sizes={**images.sizes, "train": len(splits[0].labels)})
