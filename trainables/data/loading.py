"""Prepare a data set once (find or download, verify, decode, split), and map it into the memory of every trial.

    python -m trainables.data cifar10 --data-dir data     prepares a data set and checks one that was prepared before

The kinds of data sets are the files in sources/. If a data set has no validation images, a stratified tenth of its training
images is the validation split, which does not depend on the seed. Trials call load. Only load_test opens the test files for
them.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trainables.cli.progress import say
from trainables.config import IMAGE_SIZE, unknown
from trainables.data import cache, census, duplicates, split
from trainables.data.held_out import folds
from trainables.data.held_out.folds import Fold
from trainables.data.names import CROP, FOLDER, NAMED, RESIZES, base_name, canonical, form, has_place, place
from trainables.data.sources import cifar
from trainables.data.sources.base import Options, find
from trainables.errors import DataError, StorageError, UsageError
from trainables.files import durable
from trainables.files.durable import Record
from trainables.hardware import room

PATIENCE = 300.0  # seconds that a download may take if the data set is `auto`


@dataclass(frozen=True)
class Split:
    """The images and labels of a split, read-only."""

    images: np.ndarray  # uint8 (N, S, S, 3), C-contiguous; red, green, blue
    labels: np.ndarray  # int64 (N,), 0 to classes - 1


@dataclass(frozen=True)
class Dataset:
    """The data set that a trial gets: everything but the test images."""

    name: str  # digits, cifar10, cifar100, or the base name of the image folder
    train: Split
    val: Split
    classes: tuple[str, ...]
    mean: tuple[float, float, float]  # of all training images, per colour, pixels scaled 0 to 1
    std: tuple[float, float, float]
    fingerprint: str  # sha256 over all arrays, the test ones too, and the class names
    sizes: dict[str, int]  # images of train (as many as are used), val and test
    census: Record = field(default_factory=dict)  # see trainables/data/census.py; of all training images
    fold: Fold | None = None  # the fold that is held out for validation; None for the data set's own validation split

    @property
    def size(self) -> int:
        """Pixels of the height and width of an image."""
        side: int = self.train.images.shape[1]
        return side


def resolve(dataset: str, data_dir: Path) -> tuple[str, str | None]:
    """Replace `auto` by cifar10 if it is there or can be downloaded within PATIENCE, else by digits.

    Another name is returned unchanged.

    Returns:
        The name of a data set, and None or, for digits in place of cifar10, one line with the reason and the remedy.

    Raises:
        DataError: there is no such data set; the message suggests the closest name.
    """
    if dataset != "auto":
        form(dataset)
        return dataset, None
    from trainables.data import download

    archive = cifar.ARCHIVES["cifar10"]
    wanted = find("cifar10", Options(data_dir))
    if cache.find(wanted.name, wanted.key, data_dir) or cifar.located(archive, data_dir):
        return "cifar10", None
    try:
        download.fetch(archive, data_dir, patience=PATIENCE)
    except (DataError, StorageError) as error:
        why = getattr(error, "tried", error)
        command = f"python -m trainables.data cifar10 --data-dir {shlex.quote(str(data_dir))}"
        return "digits", (
            f"training on digits: {archive.title} is not in {data_dir} and cannot be fetched now ({why}). "
            f"To have it: {command}, or put {archive.file} there."
        )
    return "cifar10", None


def short_name(dataset: str) -> str:
    """The name of a data set within the name of a run: letters, digits, dots, dashes and underscores.

    A name with a path gets four hex digits of a hash of the name, so that two places have different names.
    """
    if not has_place(dataset):
        return base_name(Path(dataset.replace(":", "-")))
    told = canonical(dataset).removeprefix(FOLDER)
    return f"{base_name(place(dataset))}-{durable.sha256(told.encode('utf-8', 'surrogateescape'))[:4]}"


def prepare(
    dataset: str,
    data_dir: Path,
    *,
    skip_bad: bool = False,
    group_by: str | None = None,
    resize: str = CROP,
    image_size: int = IMAGE_SIZE,
    in_folds: int | None = None,
    fresh_folds: int = 0,
    progress: bool = True,
    thorough: bool = False,
    tell: bool = True,
) -> Path:
    """The cache folder of a data set, for `load`. The first call downloads, verifies, decodes and splits the images.

    Every call prints notes on files that are not read and on weaknesses of the images, if `tell`. Before many or large images
    are decoded, a note says how much room they take.

    Args:
        dataset: a name as in trainables/data/names.py, not auto.
        data_dir: folder of the archives or their unpacked folders, also for downloads; the cache lies beside it.
        skip_bad: leave out pictures that cannot be read, instead of refusing the data set.
        group_by: a part of a file's name as a regular expression, or a column; images of one group stay in one split.
        resize: one of names.RESIZES, the way to make a picture square.
        image_size: pixels of the height and width of every decoded image.
        in_folds: number of folds on which trials will be validated. The folds are checked, and the notes are about them and not
            about the validation split.
        fresh_folds: number of further folds on which a confirmation will be validated.
        progress: draw bars on a terminal.
        thorough: compare every byte of data that was prepared before, not only sizes.
        tell: print the notes on the images.

    Raises:
        DataError: the images are missing, damaged or cannot be downloaded, or they have no such groups.
        StorageError: the cache cannot be written, or has too little room.
        UsageError: `resize` is unknown.
    """
    if skip_bad and dataset in NAMED:
        say(f"note: --skip-bad has no effect with --dataset {dataset}")
    if resize not in RESIZES:
        raise UsageError(unknown("--resize", resize, RESIZES))
    if resize != CROP and dataset in NAMED:
        say(f"note: --resize has no effect with --dataset {dataset}, whose images are square")
    if group_by is not None and dataset in NAMED:
        raise DataError(f"no groups: {dataset}: its images have no names and no columns. Leave out --group-by.")
    options = Options(
        data_dir, skip_bad=skip_bad, group_by=group_by, resize=resize, image_size=image_size, progress=progress
    )
    wanted = find(dataset, options)
    for note in wanted.notes if tell else ():
        say(f"note: {note}")
    folder = cache.find(wanted.name, wanted.key, data_dir, thorough=thorough)
    if folder is None:
        room.check(wanted.images, image_size, cache.writable_root(data_dir))
        wanted.fetch()
        folder = cache.build(wanted.name, wanted.key, data_dir, wanted.write, thorough=thorough)
    if tell:
        meta = cache.read_meta(folder)
        _tell_census(meta | {"census": of_folds(folder, in_folds)[0]} if in_folds else meta)
    for note in _of_folds(folder, in_folds, fresh_folds) if in_folds else ():
        if tell:
            say(f"note: {note}")
    return folder


def _of_folds(folder: Path, in_folds: int, fresh_folds: int) -> list[str]:
    """Check the folds of a search and the fresh folds, and return the notes on the folds of the search.

    Raises:
        DataError: some of these folds cannot be used.
    """
    classes = cache.read_meta(folder)["classes"]
    found = [_check(folder, in_folds, partition, classes) for partition in range(1 + -(-fresh_folds // in_folds))]
    return found[0]


def _check(folder: Path, number: int, partition: int, classes: Sequence[str]) -> list[str]:
    """Check the folds of a partition, and return the notes on them."""
    labels, of = _labels_and_folds(folder, number, partition)
    return folds.check(labels, of, number, classes)


def prepare_sizes(
    dataset: str, data_dir: Path, sizes: Sequence[int], *, tell: bool = True, **how: Any
) -> dict[int, Path]:
    """Call `prepare` for each image size, and return the cache folders by size.

    All folders hold the same images in the same order, which the labels of the validation images confirm.

    Raises:
        DataError: as in `prepare`, or not the same images can be read at all sizes.
    """
    found: dict[int, Path] = {}
    for size in sizes:
        found[size] = prepare(dataset, data_dir, image_size=size, tell=tell and not found, **how)
    labels = [cache.open_split(folder, "val")[1] for folder in found.values()]
    if not all(np.array_equal(labels[0], own) for own in labels):
        raise DataError(
            f"other images at another size: {dataset}: some can be read at one size only. Replace or remove them."
        )
    return found


def load(cache_folder: Path, *, fraction: float = 1.0, fold: Fold | None = None) -> Dataset:
    """Map a prepared data set into memory, which takes milliseconds for any size unless images are copied.

    Args:
        fraction: above 0 to 1: the share of the training images to use. The choice is stratified and the same for every trial.
            With less than 1 the chosen images are copied into memory.
        fold: the fold to hold out in place of the data set's validation images; all images are copied into memory.

    Raises:
        UsageError: fraction is out of range.
        DataError: the cache is damaged.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"--fraction must be above 0 and at most 1, but got {fraction}.")
    meta = cache.read_meta(cache_folder)
    train, val = (Split(*cache.open_split(cache_folder, name)) for name in ("train", "val"))
    if fold:
        train, val = _of_fold(train, val, cache.groups(cache_folder), fold)
    if fraction < 1:
        train = _part(train, fraction)
    red, green, blue = meta["mean"]
    return Dataset(
        name=meta["name"],
        train=train,
        val=val,
        classes=tuple(meta["classes"]),
        mean=(red, green, blue),
        std=tuple(meta["std"]),
        fingerprint=meta["fingerprint"],
        sizes={**meta["sizes"], "train": len(train.labels), "val": len(val.labels)},
        census=meta["census"],
        fold=fold,
    )


def of_folds(cache_folder: Path, number: int) -> tuple[Record, str]:
    """The census of a data set in folds, where each image is a validation image once, and a hash of the folds.

    Raises:
        DataError: the cache is damaged.
    """
    meta = cache.read_meta(cache_folder)
    labels, of = _labels_and_folds(cache_folder, number)
    seen = np.concatenate([duplicates.hashes(cache.open_split(cache_folder, name)[0]) for name in ("train", "val")])
    copies, found = duplicates.across(seen, labels, of), dict(meta["census"])
    counts = census.of_classes(labels, len(meta["classes"]))
    found["counts"] = {**found["counts"], "train": counts, "val": counts}
    found["folds"] = number
    found["duplicates"] = [*filter(None, [copies]), *(line for line in found["duplicates"] if line["split"] == "test")]
    if groups := found.get("groups"):
        in_order = np.array(cache.groups(cache_folder))[
            np.argsort(of, kind="stable")
        ]  # fold by fold, as they are validated
        shared = {key: own for key, own in groups["shared"].items() if key != "val"}
        found["groups"] = {**groups, "val": in_order.tolist(), "shared": shared}
    return found, folds.digest(of)


def _labels_and_folds(cache_folder: Path, number: int, partition: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The label and the fold of each training image and then of each validation image, int64 (N,) each."""
    labels = np.concatenate([cache.open_split(cache_folder, name)[1] for name in ("train", "val")])
    return labels, folds.assigned(labels, cache.groups(cache_folder), number, partition)


def held_out(cache_folder: Path, fold: Fold) -> np.ndarray:
    """Positions of the images of a fold among the training and then the validation images, in the order of validation.

    Raises:
        DataError: the cache is damaged.
    """
    return np.flatnonzero(_labels_and_folds(cache_folder, fold.of, fold.partition)[1] == fold.place)


def tell_lost_classes(images: Dataset) -> None:
    """Print a note if some classes have no images in the chosen fraction of the training images."""
    counts = census.of_classes(images.train.labels, len(images.classes))
    if remark := census.without("train", counts, images.classes, "Use a larger --fraction."):
        say(f"note: {remark}")


def load_test(cache_folder: Path) -> Split:
    """The test split. Call this function only for the winner, after the choice is made.

    Raises:
        DataError: the cache is damaged.
    """
    return Split(*cache.open_split(cache_folder, "test"))


def _of_fold(train: Split, val: Split, groups: Sequence[int], fold: Fold) -> tuple[Split, Split]:
    """The training and validation splits if a fold is held out, both in the order of the original images."""
    labels = np.concatenate([train.labels, val.labels])
    held = folds.assigned(labels, groups, fold.of, fold.partition) == fold.place
    first, second = held[: len(train.labels)], held[len(train.labels) :]
    rest, out = (
        np.concatenate([train.images[mine], val.images[others]])
        for mine, others in ((~first, ~second), (first, second))
    )
    return _read_only(rest, labels[~held]), _read_only(out, labels[held])


def _part(whole: Split, fraction: float) -> Split:
    chosen = split.stratified(whole.labels, max(2, round(fraction * len(whole.labels))), split.FRACTION)
    return _read_only(whole.images[chosen], whole.labels[chosen])


def _read_only(images: np.ndarray, labels: np.ndarray) -> Split:
    images.flags.writeable = labels.flags.writeable = False
    return Split(images, labels)


def _tell_census(meta: cache.Meta) -> None:
    """Print notes on images left out, on pictures that were not square, and on weaknesses of the data set."""
    found = meta["census"]
    for remark in filter(
        None, [census.skipped(found), census.reshaped(found), *census.remarks(found, meta["classes"])]
    ):
        say(f"note: {remark}")
