"""Usual names of columns and arrays in data sets, and labels as positions in the classes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from trainables.data.folder_tree import SPELLINGS
from trainables.errors import DataError

IMAGES = ("images", "image", "img", "imgs", "x", "data", "pictures", "picture")
LABELS = ("labels", "label", "y", "target", "targets", "class", "category")
PATHS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image_path", "image", "img")
SPLITS = ("split", "set", "subset", "partition", "usage")
GROUPS = ("groups", "group")
CLASSES = ("classes", "class_names", "label_names", "categories")


def split_of(text: str) -> str | None:
    """The split that a word means, in any usual spelling and case: train, val or test; None for another word."""
    found = text.strip().casefold()
    return next((split for split, names in SPELLINGS.items() if found in names), None)


def words(name: str) -> tuple[str | None, str]:
    """The first split in a name or None, and the other words of the name: val and images for val_images."""
    parts = [part for part in re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold()) if part]
    splits = [split for part in parts if (split := split_of(part))]
    return (splits[0] if splits else None), "_".join(part for part in parts if not split_of(part))


def column(names: Iterable[str], known: Sequence[str]) -> str | None:
    """The column for the first of the `known` names that is there, in any case; None if there is none."""
    by_fold = {name.strip().casefold(): name for name in names}
    return next((by_fold[name] for name in known if name in by_fold), None)


def indexed(
    where: str, labels: Mapping[str, Sequence[Any]], names: Sequence[str] = ()
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Labels as positions in the classes, int64 (N,) for each split, and the names of the classes.

    Without `names` the classes are the sorted distinct labels of the training images.

    Args:
        labels: whole numbers or texts of each split.
        names: names of the classes, if the labels are whole numbers from 0.

    Raises:
        DataError: a label is neither a whole number nor a text, is out of range, or does not occur in the training images.
    """
    plain = {split: [_plain(where, value) for value in own] for split, own in labels.items()}
    known = (
        range(len(names)) if names else sorted(set(plain["train"]), key=lambda value: (isinstance(value, str), value))
    )
    places = {value: place for place, value in enumerate(known)}
    for split, own in plain.items():
        unknown = sorted({str(value) for value in own if value not in places})
        if unknown:
            which = f"not from 0 to {len(names) - 1}" if names else "not among the labels of the training images"
            raise DataError(f"unknown label: {where}: {unknown[0]!r} in {split} is {which}. Correct it.")
    found = {split: np.array([places[value] for value in own], np.int64) for split, own in plain.items()}
    return found, tuple(names) or tuple(str(value) for value in known)


def _plain(where: str, value: Any) -> int | str:
    """A label as a whole number or a text."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        if not value.strip():
            raise DataError(f"no label: {where}: a label is empty. Fill it in, or remove its row.")
        return value.strip()
    if isinstance(value, (int, np.integer)) or (isinstance(value, (float, np.floating)) and float(value).is_integer()):
        return int(value)
    raise DataError(f"no label: {where}: {value!r} is neither a whole number nor a text. Correct it.")
