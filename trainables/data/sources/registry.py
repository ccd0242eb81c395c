"""Where the images of each kind of data set come from, how the cache recognises them, and how they get there."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainables.cli.paths import expanded
from trainables.cli.progress import meter, say
from trainables.config import unknown
from trainables.data import cache, split
from trainables.data.cache import Written
from trainables.data.names import FOLDER, FORMS, NAMED, NAMES
from trainables.data.sources import cifar, image_folder
from trainables.errors import DataError

if TYPE_CHECKING:
    from trainables.data import decode

ENOUGH = 15  # training images of which a tenth can be held out; of fewer that would be a single one
LISTED = 5  # bad files that are named; of more the number is told


@dataclass(frozen=True)
class Source:
    """One data set before it is decoded."""

    name: str
    key: str  # in the cache; changes with the images
    write: cache.Write  # puts the array files into a folder
    fetch: Callable[[], None] = lambda: None  # makes sure that write finds what it reads
    notes: tuple[str, ...] = ()  # what is read otherwise than one might think, and what is not read


def check_name(dataset: str) -> None:
    """Raises DataError, with the closest name, for a data set that does not exist."""
    if dataset not in ("auto", *NAMED) and not (dataset.startswith(FOLDER) and dataset != FOLDER):
        raise DataError(unknown("data set", dataset, NAMES))


def source(dataset: str, data_dir: Path, *, skip_bad: bool = False, progress: bool = True) -> Source:
    """The source of digits, cifar10, cifar100 or folder:PATH; a folder is listed, nothing is decoded or fetched.

    Args:
        skip_bad: leave out the files of a folder that are no good images.

    Raises:
        DataError: there is no such data set, or the folder is not one of images.
    """
    if dataset == "digits":
        return Source("digits", cache.key("digits", ""), _write_digits)
    if dataset in cifar.ARCHIVES:
        return _archive_source(dataset, data_dir)
    if dataset.startswith(FOLDER):
        return _folder_source(folder_of(dataset), skip_bad, progress)
    raise DataError(unknown("data set", dataset, FORMS))


def folder_of(dataset: str) -> Path:
    """The absolute path in folder:PATH, without links and detours, so that a folder has one name however it is spelt."""
    return Path(os.path.realpath(expanded(dataset.removeprefix(FOLDER))))


def base_name(folder: Path) -> str:
    """The name of a folder in letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name).strip("-.") or "folder"


def _write_digits(folder: Path) -> Written:
    from trainables.data.sources import digits  # scikit-learn takes a second or two to load

    images, labels = digits.read()
    test = split.stratified(labels, digits.HELD_OUT, split.TEST)
    rest = np.setdiff1d(np.arange(len(labels)), test)
    cache.save_split(folder, "test", images[test], labels[test])
    _save_training(folder, images[rest], labels[rest], digits.HELD_OUT)
    return Written(digits.CLASSES)


def _archive_source(dataset: str, data_dir: Path) -> Source:
    """An official archive is known by its hash, so what was decoded from it is good even where it is gone."""
    from trainables.data import download

    archive = cifar.ARCHIVES[dataset]

    def fetch() -> None:
        if cifar.located(archive, data_dir) is None:
            download.fetch(archive, data_dir)

    def write(folder: Path) -> Written:
        found = cifar.located(archive, data_dir) or data_dir / archive.file
        with meter(f"verifying and reading {found.name}", 1, "archives", bar=False):
            (images, labels), test, classes = cifar.read(archive, found)
        cache.save_split(folder, "test", *test)
        _save_training(folder, images, labels, round(len(labels) / 10))
        return Written(classes)

    return Source(dataset, cache.key(dataset, archive.sha256), write, fetch)


def _save_training(folder: Path, images: np.ndarray, labels: np.ndarray, held_out: int) -> None:
    train, val = _divide(labels, held_out)
    cache.save_split(folder, "train", images[train], labels[train])
    cache.save_split(folder, "val", images[val], labels[val])


def _divide(labels: np.ndarray, held_out: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training and of the validation images."""
    val = split.stratified(labels, held_out, split.VALIDATION)
    return np.setdiff1d(np.arange(len(labels)), val), val


def _folder_source(root: Path, skip_bad: bool, progress: bool) -> Source:
    found = image_folder.scan(root)
    images = _with_validation(found)

    def write(folder: Path) -> Written:
        kept, bad = found, _decode(root, images, folder, progress)
        skipped = bad if skip_bad else []
        if skipped:
            say(f"note: {_left_out(skipped)}")
            kept = found.without({path for path, _ in skipped})
            bad = _decode(root, _with_validation(kept), folder, progress)  # all: another tenth is held out now
        if bad:
            raise _refusal(root, bad)
        return Written(kept.classes, {"validation": kept.folders.get("val"), "skipped": len(skipped)})

    kind = f"folder, upright{', bad ones left out' if skip_bad else ''}"  # as their cameras noted: not so at first
    return Source(base_name(root), cache.key(kind, found.key), write, notes=_notes(found, images))


def _decode(root: Path, images: dict[str, image_folder.Images], folder: Path, progress: bool) -> "list[decode.Bad]":
    """Fill the array files, and return the files that are no good images."""
    from trainables.data import decode  # Pillow loads here

    work: list[decode.Strip] = []
    for part, some in images.items():
        work += decode.strips(*cache.begin_split(folder, part, some.labels), some.paths)
    total = sum(len(some.paths) for some in images.values())
    with meter(f"decoding {total:,} images of {base_name(root)}", total, "images", bar=progress) as advance:
        return decode.decode_all(work, advance)


def _refusal(root: Path, bad: "Sequence[decode.Bad]") -> DataError:
    """All bad files at once: the first few by name, and how many there are."""
    if len(bad) == 1:
        return DataError(
            f"cannot read image: {': '.join(bad[0])}. Replace or remove it, or leave it out with --skip-bad."
        )
    more = [f"... and {len(bad) - LISTED:,} more"] if len(bad) > LISTED else []
    return DataError(
        f"cannot read {len(bad):,} images: {root}. Replace or remove them, or leave them out with --skip-bad.",
        [*(": ".join(each) for each in bad[:LISTED]), *more],
    )


def _left_out(bad: "Sequence[decode.Bad]") -> str:
    """What --skip-bad does without, in one line."""
    more = f", and {len(bad) - LISTED:,} more" if len(bad) > LISTED else ""
    return f"left out, as --skip-bad asks: {'; '.join(': '.join(each) for each in bad[:LISTED])}{more}"


def _notes(found: image_folder.Tree, images: dict[str, image_folder.Images]) -> tuple[str, ...]:
    """How the folders were understood where that is no matter of course, and what is not read."""
    otherwise = [
        f"{found.root / name} is read as {usual}/: {len(images[usual].paths):,} images"
        for usual, name in found.folders.items() if name != usual
    ]  # fmt: skip
    held_out = len(images["val"].paths)
    without = (
        f"no val/ (valid/, validation/) in {found.root}: {held_out:,} training images, a tenth, are held out instead"
    )
    return (
        *otherwise,
        *([] if "val" in found.folders else [without]),
        *filter(None, [image_folder.unread_words(found)]),
    )


def _with_validation(found: image_folder.Tree) -> dict[str, image_folder.Images]:
    """The splits of a folder; without val/ a tenth of train is held out.

    Raises:
        DataError: that would leave too few images.
    """
    splits = found.splits
    if "val" in splits:
        return splits
    train, folder = splits["train"], found.root / found.folders["train"]
    if len(train.paths) < ENOUGH:
        raise DataError(
            f"too few images: {folder}: {len(train.paths)} where at least {ENOUGH} are needed. Add some, or a val/ folder."
        )
    rest, val = _divide(train.labels, round(len(train.paths) / 10))
    lost = np.setdiff1d(train.labels, train.labels[rest])
    if len(lost):
        raise DataError(
            f"too few images: {folder / found.classes[lost[0]]}: its only image would be held out for validation. "
            "Add some, or a val/ folder."
        )
    return {**splits, "train": train.take(rest), "val": train.take(val)}
