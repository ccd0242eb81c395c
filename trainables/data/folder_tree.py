"""Lists an image folder in any of its usual shapes. Opens no image.

    train/<class>/*  test/<class>/*  val/<class>/*     split first; without val/ a tenth of train is held out, test/ may be absent
    <class>/train/*  <class>/test/*  <class>/val/*     class first
    <class>/*                                          no split at all: all of it is for training, and a tenth is held out

Images may lie deeper, too: then the folder above says their class. A single folder around all that is looked into. What lies
there and is not read is counted, so that it can be said.
"""

import hashlib
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from trainables.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".bmp", ".tif", ".tiff", ".gif")
KNOWN = ".png, .jpg, .webp, .bmp, .tif or .gif"
SPELLINGS = {  # of a split's folder, in any case
    "train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing"),
}  # fmt: skip
FULL_NAMES = {"train": "training", "val": "validation", "test": "test"}
LEAST = 2  # validation images; a single one is right or wrong and ranks nothing
MANY = 100_000  # files of an unread folder that are counted
PLACES = 3  # with unread files that are named, those with the most first
SPLIT_FIRST, CLASS_FIRST, FLAT = "split first", "class first", "flat"
READ = {  # where, by the shape
    SPLIT_FIRST: "in train/<class>/, test/<class>/ and val/<class>/ (or valid, validation)",
    CLASS_FIRST: "in <class>/train/, <class>/test/ and <class>/val/ (or valid, validation)",
    FLAT: "in <class>/",
}


@dataclass(frozen=True)
class Images:
    """The images of one split: paths in order of class and name, and the index of each one's class."""

    paths: list[str]
    labels: np.ndarray  # int64 (N,)


Listed = dict[
    str, list[tuple[str, int, int]]
]  # class -> sorted (path under the root, bytes, mtime in ns) of its images
Unread = dict[str, int]  # place under the root -> number of files there


@dataclass(frozen=True)
class Tree:
    """A listed folder.

    Attributes:
        folders: split -> the name of its folder: train, and test and val if they are there.
        deeper: images that lie below the folder of their class.
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
        """Changes when any image is added, removed, resized or touched."""
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
        DataError: it is not such a folder, two folders could be the same split, a class is empty, or a class outside
            the training images is unknown there.
    """
    try:
        return _checked(_scan(_unwrapped(root)))
    except OSError as error:
        raise DataError(
            f"cannot list images: {error.filename}: {error.strerror}. "
            f"An image folder has <class>/, or train/<class>/ and test/<class>/, with {KNOWN} files."
        ) from error


def _unwrapped(root: Path) -> Path:
    """The folder that holds splits or classes: where a folder holds a single one, as archives leave it, the inner one."""
    inside = root
    while True:
        entries = list(_entries(inside))
        folders = [entry.name for entry in entries if _is_folder(entry)]
        if len(entries) != 1 or not folders or _split_of(folders[0]):
            return inside if len(folders) > 1 and not any(map(_is_image, entries)) else root
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
    """Which split a folder of this name is."""
    return next((split for split, names in SPELLINGS.items() if name.casefold() in names), None)


def _by_split(names: Collection[str]) -> dict[str, list[str]]:
    """The folders that are splits by their names; where val and test stand alone, that of train is missed later."""
    found: dict[str, list[str]] = {}
    for name in names:
        if split := _split_of(name):
            found.setdefault(split, []).append(name)
    return found


def _inner_splits(root: Path, names: Collection[str]) -> dict[str, list[str]]:
    """The splits where each class has folders of its own for them.

    Raises:
        DataError: some classes have, and others not, or images beside them: which split those are of is not known.
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
    """Raises DataError for folders such as training_set/ and seg_test/ that would be taken for classes."""
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
    """The images in a folder and below it. A link to a folder is not followed there: it may lead back."""
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
    """What a folder holds, without what is hidden: macOS leaves ._NAME.jpg beside images, and __MACOSX in archives."""
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith((".", "__MACOSX")))


def _count(entry: "os.DirEntry[str]", folder: Path, root: Path, unread: Unread) -> None:
    """Count what is not read: a file at the folder that it lies in, a folder with all the files below it."""
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
    """One line that says how many files are not read, where they lie, and what would be read; nothing if all are."""
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
    """The same tree, if it can be used; else every mistake at once."""
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
        return  # what else is wrong follows from it
    empty = [name for name, images in found.items() if not images]
    yield from (
        f"empty class: {tree.place('train', name)}: no {KNOWN} files. Add some or remove the folder." for name in empty
    )
    if len(found) == 1:
        yield f"a single class: {train}: nothing to tell apart. Add a folder for each other class."
    for split in (name for name in tree.listed if name != "train"):
        yield from _problems_of(split, tree)


def _problems_of(split: str, tree: Tree) -> Iterator[str]:
    """What is wrong with the validation or the test images."""
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
