"""Where the images of each kind of data set come from, how the cache recognises them, and how they get there."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainables import cache, cifar, split, tree
from trainables.config import unknown
from trainables.errors import DataError
from trainables.meter import meter, say
from trainables.paths import expanded

NAMES = ("auto", "digits", "cifar10", "cifar100", "folder:PATH")
FOLDER = "folder:"
ENOUGH = 10  # training images of which a tenth can be held out


@dataclass(frozen=True)
class Source:
    """One data set before it is decoded."""

    name: str
    key: str  # in the cache; changes with the images
    write: Callable[[Path], tuple[str, ...]]  # puts the array files into a folder, and returns the class names
    fetch: Callable[[], None] = lambda: None  # makes sure that write finds what it reads


def check_name(dataset: str) -> None:
    """Raises DataError, with the closest name, for a data set that does not exist."""
    if dataset not in NAMES[:-1] and not (dataset.startswith(FOLDER) and dataset != FOLDER):
        raise DataError(unknown("data set", dataset, NAMES))


def source(dataset: str, data_dir: Path, *, progress: bool = True) -> Source:
    """The source of digits, cifar10, cifar100 or folder:PATH; a folder is listed, nothing is decoded or fetched.

    Raises:
        DataError: there is no such data set, or the folder is not one of images.
    """
    if dataset == "digits":
        return Source("digits", cache.key("digits", ""), _write_digits)
    if dataset in ("cifar10", "cifar100"):
        return _archive_source(dataset, data_dir)
    if dataset.startswith(FOLDER):
        return _folder_source(folder_of(dataset), progress)
    raise DataError(unknown("data set", dataset, NAMES[1:]))


def folder_of(dataset: str) -> Path:
    """The absolute path in folder:PATH."""
    return Path(expanded(dataset.removeprefix(FOLDER))).absolute()


def base_name(folder: Path) -> str:
    """The name of a folder in letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name).strip("-.") or "folder"


def _write_digits(folder: Path) -> tuple[str, ...]:
    from trainables import digits  # scikit-learn takes a second or two to load

    images, labels = digits.read()
    test = split.stratified(labels, digits.HELD_OUT, split.TEST)
    rest = np.setdiff1d(np.arange(len(labels)), test)
    cache.save_split(folder, "test", images[test], labels[test])
    _save_training(folder, images[rest], labels[rest], digits.HELD_OUT)
    return digits.CLASSES


def _archive_source(dataset: str, data_dir: Path) -> Source:
    """An official archive is known by its hash, so what was decoded from it is good even where it is gone."""
    from trainables import download

    archive = cifar.ARCHIVES[dataset]

    def fetch() -> None:
        if cifar.located(archive, data_dir) is None:
            download.fetch(archive, data_dir)

    def write(folder: Path) -> tuple[str, ...]:
        found = cifar.located(archive, data_dir) or data_dir / archive.file
        with meter(f"verifying and reading {found.name}", 1, "archives", bar=False):
            (images, labels), test, classes = cifar.read(archive, found)
        cache.save_split(folder, "test", *test)
        _save_training(folder, images, labels, round(len(labels) / 10))
        return classes

    return Source(dataset, cache.key(dataset, archive.sha256), write, fetch)


def _save_training(folder: Path, images: np.ndarray, labels: np.ndarray, held_out: int) -> None:
    train, val = _divide(labels, held_out)
    cache.save_split(folder, "train", images[train], labels[train])
    cache.save_split(folder, "val", images[val], labels[val])


def _divide(labels: np.ndarray, held_out: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training and of the validation images."""
    val = split.stratified(labels, held_out, split.VALIDATION)
    return np.setdiff1d(np.arange(len(labels)), val), val


def _folder_source(root: Path, progress: bool) -> Source:
    name, found = base_name(root), tree.scan(root)
    images = found.splits if "val" in found.splits else _with_validation(root, found.splits)

    def write(folder: Path) -> tuple[str, ...]:
        from trainables import decode  # Pillow loads here

        work: list[decode.Strip] = []
        for part, some in images.items():
            work += decode.strips(*cache.begin_split(folder, part, some.labels), some.paths)
        total = sum(len(some.paths) for some in images.values())
        with meter(f"decoding {total:,} images of {name}", total, "images", bar=progress) as advance:
            decode.decode_all(work, advance)
        tell_left_out(tree.others(root))
        return found.classes

    return Source(name, cache.key("folder, upright", found.key), write)  # as their cameras noted: not so at first


def tell_left_out(paths: list[Path]) -> None:
    """Say how much of a folder is not used, so that nobody misses pictures in silence."""
    if paths:
        say(f"note: left out, being no {tree.KINDS} file in a class: {len(paths):,}, the first of them {paths[0]}")


def _with_validation(root: Path, splits: dict[str, tree.Images]) -> dict[str, tree.Images]:
    """The splits of a folder without val/: a tenth of train is held out."""
    train = splits["train"]
    if len(train.paths) < ENOUGH:
        raise DataError(
            f"too few images: {root / 'train'}: {len(train.paths)} where at least {ENOUGH} are needed. "
            "Add some, or a val/ folder."
        )
    rest, val = _divide(train.labels, round(len(train.paths) / 10))
    return {**splits, "train": train.take(rest), "val": train.take(val)}
