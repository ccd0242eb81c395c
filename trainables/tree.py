"""Lists an image folder: train/<class>/*, test/<class>/*, and val/<class>/* if it is there. Opens no image."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainables.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg")
KINDS = ".png or .jpg"


@dataclass(frozen=True)
class Images:
    """The images of one split: paths in order of class and name, and the index of each one's class."""

    paths: list[str]
    labels: np.ndarray  # int64 (N,)

    def take(self, positions: np.ndarray) -> "Images":
        return Images([self.paths[position] for position in positions], self.labels[positions])


@dataclass(frozen=True)
class Tree:
    """A listed folder; `key` changes when any image is added, removed, resized or touched."""

    classes: tuple[str, ...]  # sorted names of the folders under train/
    splits: dict[str, Images]  # train, test, and val if the folder has one
    key: str


Listed = dict[str, list[tuple[str, int, int]]]  # class -> sorted (name, bytes, mtime in ns) of its images


def scan(root: Path) -> Tree:
    """List a folder of images.

    Raises:
        DataError: it is not such a folder, a class is empty, or a class outside train/ is unknown there.
    """
    names = ["train", "test", *(["val"] if (root / "val").is_dir() else [])]
    listed = {name: _list_split(root / name) for name in names}
    classes = tuple(listed["train"])
    _check(root, classes, listed)
    splits = {name: _images(root / name, classes, found) for name, found in listed.items()}
    return Tree(classes, splits, _key(listed))


def _list_split(folder: Path) -> Listed:
    try:
        with os.scandir(folder) as entries:
            classes = sorted(entry.name for entry in entries if _shown(entry.name) and entry.is_dir())
        return {name: _list_class(folder / name) for name in classes}
    except OSError as error:
        raise DataError(
            f"cannot list images: {error.filename}: {error.strerror}. "
            f"An image folder has train/<class>/ and test/<class>/ with {KINDS} files."
        ) from error


def _list_class(folder: Path) -> list[tuple[str, int, int]]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(SUFFIXES) and _shown(entry.name) and entry.is_file():
                status = entry.stat()
                found.append((entry.name, status.st_size, status.st_mtime_ns))
    return sorted(found)


def others(root: Path) -> list[Path]:
    """What lies beside the images of the classes and is not taken for one: files of other kinds, and folders."""
    there = (path for split in ("train", "val", "test") for path in (root / split).glob("*/*"))
    return sorted(path for path in there if _shown(path.name) and not _is_image(path))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _shown(name: str) -> bool:
    return not name.startswith(".")  # macOS leaves ._NAME.jpg beside images, which are none


def _check(root: Path, classes: Iterable[str], listed: dict[str, Listed]) -> None:
    for split, found in listed.items():
        for name, images in found.items():
            if name not in listed["train"]:
                raise DataError(
                    f"unknown class: {root / split / name}: there is no {root / 'train' / name}. "
                    "Add it there, or remove it here."
                )
            if split == "train" and not images:
                raise DataError(f"empty class: {root / split / name}: no {KINDS} files. Add some or remove the folder.")
        if not any(found.values()):
            raise DataError(f"no images: {root / split}: no {KINDS} files. Add some, one folder per class.")
    if len(listed["train"]) < 2:
        raise DataError(f"a single class: {root / 'train'}: nothing to tell apart. Add a folder for each other class.")


def _images(folder: Path, classes: tuple[str, ...], found: Listed) -> Images:
    prefixes = {name: f"{folder / name}{os.sep}" for name in found}
    paths = [prefixes[name] + image for name, images in found.items() for image, _, _ in images]
    counts = [len(found.get(name, ())) for name in classes]
    return Images(paths, np.repeat(np.arange(len(classes)), counts))


def _key(listed: dict[str, Listed]) -> str:
    digest = hashlib.sha256()
    for split, found in listed.items():
        for name, images in found.items():
            digest.update(repr((split, name, images)).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
