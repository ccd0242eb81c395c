"""Lists an image folder: train/<class>/*, test/<class>/*, and val/<class>/* if it is there. Opens no image.

What lies there and is not read is counted, so that it can be said.
"""

import hashlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from trainables.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg")
KINDS = ".png or .jpg"
SPELLINGS = {  # of a split's folder, in any case
    "train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing"),
}  # fmt: skip
FULL_NAMES = {"train": "training", "val": "validation", "test": "test"}
LEAST = 2  # validation images; a single one is right or wrong and ranks nothing
MANY = 100_000  # files of an unread folder that are counted
PLACES = 3  # with unread files that are named, those with the most first


@dataclass(frozen=True)
class Images:
    """The images of one split: paths in order of class and name, and the index of each one's class."""

    paths: list[str]
    labels: np.ndarray  # int64 (N,)

    def take(self, positions: np.ndarray) -> "Images":
        return Images([self.paths[position] for position in positions], self.labels[positions])


Listed = dict[str, list[tuple[str, int, int]]]  # class -> sorted (name, bytes, mtime in ns) of its images
Unread = dict[str, int]  # place under the root -> number of files there


@dataclass(frozen=True)
class Tree:
    """A listed folder."""

    root: Path
    folders: dict[str, str]  # split -> the name of its folder; train, test, and val if there is one
    listed: dict[str, Listed]
    unread: Unread

    @property
    def classes(self) -> tuple[str, ...]:
        """The sorted names of the folders under train/."""
        return tuple(self.listed["train"])

    @property
    def splits(self) -> dict[str, Images]:
        return {
            split: _images(self.root / self.folders[split], self.classes, found) for split, found in self.listed.items()
        }

    @property
    def key(self) -> str:
        """Changes when any image is added, removed, resized or touched."""
        digest = hashlib.sha256(repr(self.folders).encode("utf-8", "surrogateescape"))
        for split, found in self.listed.items():
            for name, images in found.items():
                digest.update(repr((split, name, images)).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def without(self, paths: Collection[str]) -> "Tree":
        """The same without some of its images.

        Raises:
            DataError: what is left is no set of images.
        """
        kept = {split: dict(self._kept(split, paths)) for split in self.listed}
        return _checked(Tree(self.root, self.folders, kept, self.unread))

    def _kept(self, split: str, paths: Collection[str]) -> Iterator[tuple[str, list[tuple[str, int, int]]]]:
        for name, images in self.listed[split].items():
            prefix = _prefix(self.root / self.folders[split], name)
            yield name, [image for image in images if prefix + image[0] not in paths]


def scan(root: Path) -> Tree:
    """List a folder of images.

    Raises:
        DataError: it is not such a folder, two folders could be the same split, a class is empty, or a class outside
            train/ is unknown there.
    """
    unread: Unread = {}
    try:
        folders = _split_folders(root, unread)
        listed = {split: _list_split(root / name, root, unread) for split, name in folders.items()}
    except OSError as error:
        raise DataError(
            f"cannot list images: {error.filename}: {error.strerror}. "
            f"An image folder has train/<class>/ and test/<class>/ with {KINDS} files."
        ) from error
    return _checked(Tree(root, folders, listed, unread))


def _split_folders(root: Path, unread: Unread) -> dict[str, str]:
    """The folder of each split. Where there is none for train or test, its usual name: listing it says what is wrong."""
    found: dict[str, list[str]] = {split: [] for split in SPELLINGS}
    for entry in _entries(root):
        split = next((split for split, names in SPELLINGS.items() if entry.name.casefold() in names), None)
        if split and _is_folder(entry):
            found[split].append(entry.name)
        else:
            _count(entry, root, root, unread)
    for split, names in found.items():
        if len(names) > 1:
            raise DataError(
                f"two folders of {FULL_NAMES[split]} images: {root}: {' and '.join(sorted(names))}. Rename or remove one of them."
            )
    usual = {split: names[0] if names else split for split, names in found.items()}
    return {split: usual[split] for split in ("train", "test", "val") if found[split] or split != "val"}


def _list_split(folder: Path, root: Path, unread: Unread) -> Listed:
    found = {}
    for entry in _entries(folder):
        if _is_folder(entry):
            found[entry.name] = _list_class(folder / entry.name, root, unread)
        else:
            _count(entry, folder, root, unread)
    return dict(sorted(found.items()))


def _list_class(folder: Path, root: Path, unread: Unread) -> list[tuple[str, int, int]]:
    found = []
    for entry in _entries(folder):
        is_there = entry.is_file()
        if entry.name.lower().endswith(SUFFIXES) and (is_there or entry.is_symlink()):
            status = entry.stat(follow_symlinks=is_there)  # a link that leads nowhere is named with the other bad files
            found.append((entry.name, status.st_size, status.st_mtime_ns))
        else:
            _count(entry, folder, root, unread)
    return sorted(found)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether it may be a split or a class.

    Raises:
        DataError: a link that leads nowhere: a whole split or class may be on a disk that is not there.
    """
    if entry.is_dir():
        return True
    if entry.is_symlink() and not Path(entry.path).exists():
        target = Path(entry.path).readlink()
        raise DataError(f"broken link: {entry.path} -> {target}. Mount what it leads to, or remove the link.")
    return False


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """What a folder holds, without what is hidden: macOS leaves ._NAME.jpg beside images, which are none."""
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _count(entry: "os.DirEntry[str]", folder: Path, root: Path, unread: Unread) -> None:
    """Count what is not read: a file at the folder that it lies in, a folder with all the files below it."""
    is_folder = entry.is_dir(follow_symlinks=False)
    place = (folder / entry.name if is_folder else folder).relative_to(root).as_posix()
    files = sum(1 for _ in islice(_files(entry.path), MANY)) if is_folder else 1
    if files:
        unread[place] = unread.get(place, 0) + files


def _files(folder: str) -> Iterator[str]:
    for _, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (name for name in names if not name.startswith("."))


def unread_words(tree: Tree) -> str:
    """One line that says how many files are not read, where they lie, and what would be read; nothing if all are."""
    if not tree.unread:
        return ""
    places = sorted(tree.unread.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{_number(files)} in {tree.root / place}" for place, files in places[:PLACES]]
    more = [f"{_number(sum(files for _, files in places[PLACES:]))} elsewhere"] if len(places) > PLACES else []
    total = sum(tree.unread.values())
    return (
        f"{_number(total)} file{'' if total == 1 else 's'} not read: {', '.join([*named, *more])}. "
        f"Read are {KINDS} files in train/<class>/, test/<class>/ and val/<class>/ (or valid, validation)."
    )


def _number(files: int) -> str:
    return f"{files:,}" if files < MANY else f"{MANY:,} or more"


def _checked(tree: Tree) -> Tree:
    """The same tree, if it can be used; else every mistake at once."""
    problems = list(_problems(tree.root, tree.folders, tree.listed))
    if len(problems) == 1:
        raise DataError(problems[0])
    if problems:
        raise DataError(f"unusable folder of images: {tree.root}: {len(problems)} mistakes. Correct these:", problems)
    return tree


def _problems(root: Path, folders: dict[str, str], listed: dict[str, Listed]) -> Iterator[str]:
    train = root / folders["train"]
    if not any(listed["train"].values()):
        yield f"no images: {train}: no {KINDS} files. Add some, one folder per class."
        return  # what else is wrong follows from it
    empty = [name for name, images in listed["train"].items() if not images]
    yield from (f"empty class: {train / name}: no {KINDS} files. Add some or remove the folder." for name in empty)
    if len(listed["train"]) == 1:
        yield f"a single class: {train}: nothing to tell apart. Add a folder for each other class."
    for split in (name for name in listed if name != "train"):
        yield from _problems_of(split, root / folders[split], train, listed[split], listed["train"])


def _problems_of(split: str, folder: Path, train: Path, found: Listed, classes: Collection[str]) -> Iterator[str]:
    """What is wrong with the validation or the test images."""
    for name in (name for name in found if name not in classes):
        yield f"unknown class: {folder / name}: there is no {train / name}. Add it there, or remove it here."
    images = sum(map(len, found.values()))
    if not images:
        yield f"no images: {folder}: no {KINDS} files. Add some, one folder per class."
    elif split == "val" and images < LEAST:
        yield f"too few images: {folder}: {images} where at least {LEAST} are needed. Add some, or remove the folder."


def _images(folder: Path, classes: tuple[str, ...], found: Listed) -> Images:
    prefixes = {name: _prefix(folder, name) for name in found}
    paths = [prefixes[name] + image for name, images in found.items() for image, _, _ in images]
    counts = [len(found.get(name, ())) for name in classes]
    return Images(paths, np.repeat(np.arange(len(classes)), counts))


def _prefix(folder: Path, name: str) -> str:
    return f"{folder / name}{os.sep}"
