"""List an image folder in one of the usual shapes, without opening an image.

    train/<class>/*  test/<class>/*  val/<class>/*     split first; without val/ a tenth of train is held out, test/ may be absent
    <class>/train/*  <class>/test/*  <class>/val/*     class first
    <class>/*                                          no splits: all images are for training, and a tenth is held out

Images in deeper folders belong to the class folder above them. If the root holds nothing but one folder, the root is that
folder. Files that are not read are counted for a note to the user.
"""

import hashlib
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from trainables.data.assemble import LEAST
from trainables.data.census import FULL_NAMES
from trainables.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".bmp", ".tif", ".tiff", ".gif")
KNOWN = ".png, .jpg, .webp, .bmp, .tif or .gif"
SPELLINGS = {  # of a split's folder, in any case
    "train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing"),
}  # fmt: skip
MANY = 100_000  # most files of an unread folder that are counted
PLACES = 3  # most places with unread files that are named, those with the most files first
SPLIT_FIRST, CLASS_FIRST, FLAT = "split first", "class first", "flat"
READ = {  # where images are read, by the shape of the folder
    SPLIT_FIRST: "in train/<class>/, test/<class>/ and val/<class>/ (or valid, validation)",
    CLASS_FIRST: "in <class>/train/, <class>/test/ and <class>/val/ (or valid, validation)",
    FLAT: "in <class>/",
}


@dataclass(frozen=True)
class Images:
    """The images of one split: paths in order of class and name, and the index of the class of each image."""

    paths: list[str]
    labels: np.ndarray  # int64 (N,)


Listed = dict[
    str, list[tuple[str, int, int]]
]  # class -> sorted (path under the root, bytes, mtime in ns) of its images
Unread = dict[str, int]  # place under the root -> number of files there


@dataclass(frozen=True)
class Tree:
    """The list of an image folder.

    Attributes:
        folders: the name of the folder of each split: train, and test and val if they are there.
        listed: the images of each split by class.
        unread: the number of files that are not read, by place.
        deeper: number of images in a deeper folder below the folder of their class.
    """

    root: Path
    shape: str
    folders: dict[str, str]
    listed: dict[str, Listed]
    unread: Unread = field(default_factory=dict)
    deeper: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """The sorted names of the folders of training images."""
        return tuple(self.listed["train"])

    @property
    def splits(self) -> dict[str, Images]:
        return {split: _images(self.root, self.classes, found) for split, found in self.listed.items()}

    @property
    def key(self) -> str:
        """A hash that changes when an image is added or removed, or changes its size or its time of modification."""
        digest = hashlib.sha256(repr(self.folders).encode("utf-8", "surrogateescape"))
        for split, found in self.listed.items():
            for name, images in found.items():
                digest.update(repr((split, name, images)).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def place(self, split: str, name: str = "") -> Path:
        """The folder of a split, or of one class of it."""
        parts = (name, self.folders[split]) if self.shape == CLASS_FIRST else (self.folders[split], name)
        return self.root.joinpath(*parts)


def scan(root: Path) -> Tree:
    """List a folder of images.

    Raises:
        DataError: the folder cannot be listed, two folders could be one split, a class is empty, there is a single class, or a
            class of validation or test images has no training images.
    """
    try:
        return _checked(_scan(_unwrapped(root)))
    except OSError as error:
        raise DataError(
            f"cannot list images: {error.filename}: {error.strerror}. "
            f"An image folder has <class>/, or train/<class>/ and test/<class>/, with {KNOWN} files."
        ) from error


def _unwrapped(root: Path) -> Path:
    """The folder that holds splits or classes. A folder with nothing but one folder in it, as from an archive, is unwrapped."""
    inside = root
    while True:
        entries = list(_entries(inside))
        folders = [entry.name for entry in entries if _is_folder(entry)]
        if len(entries) != 1 or not folders or _split_of(folders[0]):
            holds_splits = len(folders) > 1 or bool(folders and _split_of(folders[0]))
            return inside if holds_splits and not any(map(_is_image, entries)) else root
        inside /= folders[0]


def _scan(root: Path) -> Tree:
    unread: Unread = {}
    entries = list(_entries(root))
    names = sorted(entry.name for entry in entries if _is_folder(entry))
    folders, shape = _by_split(names), SPLIT_FIRST
    if not folders:
        folders, shape = _inner_splits(root, names), CLASS_FIRST
    if not folders:
        folders, shape = {"train": [""]}, FLAT
        _refuse_likely_splits(root, names)
    for split, found in folders.items():
        if len(found) > 1:
            raise DataError(
                f"two folders of {FULL_NAMES[split]} images: {root}: {' and '.join(sorted(found))}. Rename or remove one of them."
            )
    usual = {split: found[0] for split, found in folders.items()}
    usual = {split: usual.get(split, split) for split in ("train", "test", "val") if split in usual or split == "train"}
    for entry in entries:
        if not _is_folder(entry) or (shape == SPLIT_FIRST and entry.name not in usual.values()):
            _count(entry, root, root, unread)
    if shape == CLASS_FIRST:
        for entry in (each for name in names for each in _entries(root / name) if not _is_folder(each)):
            _count(entry, Path(entry.path).parent, root, unread)
    listed = {split: _list_split(Tree(root, shape, usual, {}), split, names, unread) for split in usual}
    levels = 2 if shape == FLAT else 3
    deeper = sum(
        image[0].count("/") >= levels for found in listed.values() for images in found.values() for image in images
    )
    return Tree(root, shape, usual, listed, unread, deeper)


def _split_of(name: str) -> str | None:
    """The split of a folder of this name, or None if it is not a split."""
    return next((split for split, names in SPELLINGS.items() if name.casefold() in names), None)


def _by_split(names: Collection[str]) -> dict[str, list[str]]:
    """The folders whose names are those of splits, by split."""
    found: dict[str, list[str]] = {}
    for name in names:
        if split := _split_of(name):
            found.setdefault(split, []).append(name)
    return found


def _inner_splits(root: Path, names: Collection[str]) -> dict[str, list[str]]:
    """The folders of splits inside the folders of classes, by split; empty if no class has any.

    Raises:
        DataError: a class has no train/, or other folders or images beside its splits, so their split is not known.
    """
    found: dict[str, set[str]] = {}
    unlike = []
    for name in names:
        entries = list(_entries(root / name))
        own = _by_split([entry.name for entry in entries if _is_folder(entry)])
        for split, spelt in own.items():
            found.setdefault(split, set()).update(spelt)
        if "train" not in own or any(
            _is_image(entry) or (_is_folder(entry) and not _split_of(entry.name)) for entry in entries
        ):
            unlike.append(name)
    if found and unlike:
        raise DataError(
            f"mixed splits: {root}: some classes have folders such as {min(map(min, found.values()))}/, and {unlike[0]} has no "
            "train/ or images beside it. Put the images of every class into train/, val/ and test/."
        )
    return {split: sorted(spelt) for split, spelt in found.items()}


def _refuse_likely_splits(root: Path, names: Collection[str]) -> None:
    """Raise DataError for folders such as training_set/ and seg_test/, which would be taken for classes."""
    spelt = {spelling for spellings in SPELLINGS.values() for spelling in spellings}
    likely = [
        name for name in names
        if spelt & set(re.split(r"[^a-z]+", name.casefold())) and not any(map(_is_image, _entries(root / name)))
    ]  # fmt: skip
    if likely:
        raise DataError(
            f"splits or classes: {root}: {' and '.join(likely[:3])} hold no images themselves and are called like splits. "
            "Name the folders of splits train, val and test."
        )


def _list_split(tree: Tree, split: str, names: Collection[str], unread: Unread) -> Listed:
    if tree.shape == SPLIT_FIRST:
        entries = list(_entries(tree.place(split)))
        names = sorted(entry.name for entry in entries if _is_folder(entry))
        for entry in entries:
            if entry.name not in names:
                _count(entry, tree.place(split), tree.root, unread)
    if tree.shape == CLASS_FIRST and split != "train":
        names = [name for name in names if tree.place(split, name).is_dir()]
    return {name: sorted(_list_class(tree.place(split, name), tree.root, unread)) for name in names}


def _list_class(folder: Path, root: Path, unread: Unread) -> Iterator[tuple[str, int, int]]:
    """The images in a folder and below it. Links to folders are not followed, because they may lead back to a parent."""
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _list_class(folder / entry.name, root, unread)
        elif _is_image(entry):
            status = entry.stat(
                follow_symlinks=entry.is_file()
            )  # a link that leads nowhere is named with the other bad files
            path = (folder / entry.name).relative_to(root).as_posix()
            yield path, status.st_size, status.st_mtime_ns
        else:
            _count(entry, folder, root, unread)


def _is_image(entry: "os.DirEntry[str]") -> bool:
    is_there = entry.is_file()
    return entry.name.lower().endswith(SUFFIXES) and (is_there or (entry.is_symlink() and not entry.is_dir()))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry is a folder or a link to one, which may be a split or a class.

    Raises:
        DataError: the entry is a link to nothing. A whole split or class may be on a disk that is not mounted.
    """
    if entry.is_dir():
        return True
    if entry.is_symlink() and not Path(entry.path).exists():
        target = Path(entry.path).readlink()
        raise DataError(f"broken link: {entry.path} -> {target}. Mount what it leads to, or remove the link.")
    return False


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """The entries of a folder without hidden ones: macOS leaves ._NAME.jpg beside images, and __MACOSX in archives."""
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith((".", "__MACOSX")))


def _count(entry: "os.DirEntry[str]", folder: Path, root: Path, unread: Unread) -> None:
    """Count an entry that is not read. A file counts for its folder; a folder counts with up to MANY files below it."""
    is_folder = entry.is_dir()
    place = (folder / entry.name if is_folder else folder).relative_to(root).as_posix()
    files = sum(1 for _ in islice(_files(entry.path), MANY)) if is_folder else 1
    if files:
        unread[place] = unread.get(place, 0) + files


def _files(folder: str) -> Iterator[str]:
    for _, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (name for name in names if not name.startswith("."))


def unread_words(tree: Tree) -> str:
    """One line on the number and the places of files that are not read, and on what is read; empty if all are read."""
    if not tree.unread:
        return ""
    places = sorted(tree.unread.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{_number(files)} in {tree.root / place}" for place, files in places[:PLACES]]
    more = [f"{_number(sum(files for _, files in places[PLACES:]))} elsewhere"] if len(places) > PLACES else []
    total = sum(tree.unread.values())
    return (
        f"{_number(total)} file{'' if total == 1 else 's'} not read: {', '.join([*named, *more])}. "
        f"Read are {KNOWN} files {READ[tree.shape]}."
    )


def _number(files: int) -> str:
    return f"{files:,}" if files < MANY else f"{MANY:,} or more"


def _checked(tree: Tree) -> Tree:
    """The tree, if it can be used.

    Raises:
        DataError: the tree cannot be used; the error lists all mistakes.
    """
    problems = list(_problems(tree))
    if len(problems) == 1:
        raise DataError(problems[0])
    if problems:
        raise DataError(f"unusable folder of images: {tree.root}: {len(problems)} mistakes. Correct these:", problems)
    return tree


def _problems(tree: Tree) -> Iterator[str]:
    train, found = tree.place("train"), tree.listed["train"]
    if not any(found.values()):
        yield f"no images: {train}: no {KNOWN} files in folders of classes. Add some, one folder per class."
        return  # all other mistakes would follow from this one
    empty = [name for name, images in found.items() if not images]
    yield from (
        f"empty class: {tree.place('train', name)}: no {KNOWN} files. Add some or remove the folder." for name in empty
    )
    if len(found) == 1:
        yield f"a single class: {train}: nothing to tell apart. Add a folder for each other class."
    for split in (name for name in tree.listed if name != "train"):
        yield from _problems_of(split, tree)


def _problems_of(split: str, tree: Tree) -> Iterator[str]:
    """The mistakes of the validation or the test images, one line each."""
    found, folder = tree.listed[split], tree.place(split)
    for name in (name for name in found if name not in tree.listed["train"]):
        missed = tree.place("train", name)
        yield f"unknown class: {tree.place(split, name)}: there is no {missed}. Add it there, or remove it here."
    images = sum(map(len, found.values()))
    if not images:
        yield f"no images: {folder}: no {KNOWN} files. Add some, one folder per class, or remove the folder."
    elif split == "val" and images < LEAST:
        yield f"too few images: {folder}: {images} where at least {LEAST} are needed. Add some, or remove the folder."


def _images(root: Path, classes: tuple[str, ...], found: Listed) -> Images:
    prefix = _prefix(root)
    paths = [prefix + image for name in classes for image, _, _ in found.get(name, ())]
    counts = [len(found.get(name, ())) for name in classes]
    return Images(paths, np.repeat(np.arange(len(classes)), counts))


def _prefix(folder: Path) -> str:
    return f"{folder}{os.sep}" if str(folder) != os.sep else os.sep
