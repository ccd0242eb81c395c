"""The interface of every kind of data set: a Source. README.md says how to add a new kind."""

import hashlib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from trainables.config import IMAGE_SIZE
from trainables.data import cache, names, split
from trainables.data.cache import Written
from trainables.errors import DataError


@dataclass(frozen=True)
class Source:
    """One data set before it is decoded."""

    name: str
    key: str  # in the cache; changes with the images and with how they are read
    write: cache.Write  # writes the array files into a folder
    fetch: Callable[[], None] = lambda: None  # downloads the files that `write` reads, if they are missing
    images: int | None = None  # the number of images, if it is known before they are decoded
    notes: tuple[str, ...] = ()  # notes on how the images are read, and on files that are not read


@dataclass(frozen=True)
class Options:
    """The options of a command line about images, apart from the name of the data set."""

    data_dir: Path  # folder of data archives, also for downloads
    skip_bad: bool = False  # leave out pictures that cannot be read
    group_by: str | None = (
        None  # a part of a file's name as a regular expression, or a column: one group stays in one split
    )
    resize: str = names.CROP  # one of names.RESIZES, the way to make a picture square
    image_size: int = IMAGE_SIZE  # pixels of the height and width of every decoded image
    progress: bool = True  # draw bars on a terminal


class Kind(Protocol):
    """The interface of a module of this package, which reads one kind of data set."""

    def source(self, dataset: str, options: Options) -> Source:
        """The source of a data set whose name is of this kind. Nothing is decoded or downloaded yet."""


def find(dataset: str, options: Options) -> Source:
    """The source of a data set by its name.

    Raises:
        DataError: there is no such data set, or its files are missing or cannot be used.
    """
    module = names.SOURCES[names.form(dataset)]
    found = cast(Kind, importlib.import_module(f"{__package__}.{module}")).source(dataset, options)
    return found if options.image_size == IMAGE_SIZE else at_size(found, options.image_size)


def at_size(found: Source, size: int) -> Source:
    """A source whose images are resized to size x size pixels after it has written them."""

    def write(folder: Path) -> Written:
        written = found.write(folder)
        cache.resize(folder, size)
        return written

    return replace(found, key=cache.key(f"{size} pixels", found.key), write=write)


def save_training(folder: Path, images: np.ndarray, labels: np.ndarray, held_out: int) -> None:
    """Divide training images into the splits train and val, and save both.

    Args:
        images: uint8 (N, S, S, 3).
        labels: int64 (N,).
        held_out: number of images for validation.
    """
    train, val = divide(labels, held_out)
    cache.save_split(folder, "train", images[train], labels[train])
    cache.save_split(folder, "val", images[val], labels[val])


def divide(labels: np.ndarray, held_out: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training and of the `held_out` validation images, ascending; the same on every machine."""
    val = split.stratified(labels, held_out, split.VALIDATION)
    return np.setdiff1d(np.arange(len(labels)), val), val


def file_key(kind: str, files: Sequence[Path], options: Options) -> str:
    """The cache key of a data set in files: a hash of their names, sizes and times, and of the options.

    Raises:
        DataError: the first file is missing. Other missing files are reported when the images are decoded.
    """
    facts = []
    for file in files:
        try:
            status = file.stat()
            facts.append((str(file), status.st_size, status.st_mtime_ns))
        except OSError as error:
            if file == files[0]:
                raise DataError(f"cannot read {kind}: {file}: {error.strerror}. Check the path.") from error
            facts.append((str(file), -1, 0))
    how = [kind, options.skip_bad, options.group_by, options.resize]
    return cache.key(kind, hashlib.sha256(repr((how, facts)).encode("utf-8", "surrogateescape")).hexdigest())
