"""The interface of a kind of data set: a Source. README.md says how a new kind is added."""

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
    write: cache.Write  # puts the array files into a folder
    fetch: Callable[[], None] = lambda: None  # makes sure that write finds what it reads
    images: int | None = None  # how many there are, where that is known before they are decoded
    notes: tuple[str, ...] = ()  # what is read otherwise than one might think, and what is not read


@dataclass(frozen=True)
class Options:
    """The options of a command line about images, besides the data set's name."""

    data_dir: Path  # folder of data archives, also for downloads
    skip_bad: bool = False  # leave out the pictures that are no good ones
    group_by: str | None = (
        None  # a part of a file's name as a regular expression, or a column: one group stays on one side
    )
    resize: str = names.CROP  # one of names.RESIZES: what becomes of a picture that is not square
    image_size: int = IMAGE_SIZE  # pixels of the height and width that every picture gets
    progress: bool = True  # draw bars on a terminal


class Kind(Protocol):
    """A module of this package."""

    def source(self, dataset: str, options: Options) -> Source:
        """The source of a data set that has a name of this kind. Nothing is decoded or fetched yet."""


def find(dataset: str, options: Options) -> Source:
    """The source of a data set by its name.

    Raises:
        DataError: there is no such data set, or what its name says is not one.
    """
    module = names.SOURCES[names.form(dataset)]
    found = cast(Kind, importlib.import_module(f"{__package__}.{module}")).source(dataset, options)
    return found if options.image_size == IMAGE_SIZE else at_size(found, options.image_size)


def at_size(found: Source, size: int) -> Source:
    """The same with images of size x size pixels, also where the source knows only its own size."""

    def write(folder: Path) -> Written:
        written = found.write(folder)
        cache.resize(folder, size)
        return written

    return replace(found, key=cache.key(f"{size} pixels", found.key), write=write)


def save_training(folder: Path, images: np.ndarray, labels: np.ndarray, held_out: int) -> None:
    """Save the splits train and val of images that come without a validation split.

    Args:
        images: uint8 (N, S, S, 3).
        labels: int64 (N,).
        held_out: how many are for validation.
    """
    train, val = divide(labels, held_out)
    cache.save_split(folder, "train", images[train], labels[train])
    cache.save_split(folder, "val", images[val], labels[val])


def divide(labels: np.ndarray, held_out: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training and of the validation images, ascending; the same on every machine."""
    val = split.stratified(labels, held_out, split.VALIDATION)
    return np.setdiff1d(np.arange(len(labels)), val), val


def file_key(kind: str, files: Sequence[Path], options: Options) -> str:
    """The key of a data set that follows from files by their names, sizes and times, and from how they are read.

    Raises:
        DataError: the first of them is not there. Of the others that is found when they are decoded.
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
