"""FILE.py:FUNCTION, a user's function that returns pictures and labels.

    def load():
        return {"train": (images, labels), "test": (images, labels), "classes": ["cat", "dog"]}

The function may also return the pair (images, labels) alone, as training images. Without "val" a tenth is held out. Images are
arrays, PIL images, paths, or bytes of image files. "groups" may hold the group of each image: {"train": [...], "test": [...]}.
"""

import os
import runpy
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainables.cli.progress import say
from trainables.data import assemble, cache, labels
from trainables.data.assemble import Labelled
from trainables.data.cache import Written
from trainables.data.names import base_name, elsewhere, place
from trainables.data.sources import npz
from trainables.data.sources.base import Options, Source
from trainables.errors import DataError
from trainables.files import durable
from trainables.parts import whose

EXPECTED = 'Return (images, labels), or {"train": (images, labels), "test": (images, labels)}.'
BESIDE = ("classes", "groups")


def source(dataset: str, options: Options) -> Source:
    """The source of FILE.py:FUNCTION. The function is called when the text of its file has changed.

    Raises:
        DataError: the file cannot be read.
    """
    path, function = place(dataset), dataset.rpartition(":")[2]
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read function: {path}: {error.strerror}. Check the path.") from error

    def write(folder: Path) -> Written:
        say(f"note: {path.name}:{function} is called now, and again when {path.name} has changed")
        return _written(path, function, _called(path, function), folder, options, elsewhere(dataset))

    how = f"{'bad ones left out' if options.skip_bad else ''} {options.group_by or ''} {options.resize}"
    return Source(base_name(path), cache.key("function", f"{durable.sha256(text)} {function} {how}"), write)


def _called(path: Path, function: str) -> Any:
    """Call the function of a file, and return its result.

    Raises:
        DataError: the file has no such function, or the code fails; the message then names the line of the file.
    """
    try:
        module = runpy.run_path(str(path), run_name=path.stem)
        if not callable(module.get(function)):
            raise DataError(
                f"no function: {path}: it has no {function}. Functions there: {', '.join(_functions(module))}."
            )
        return module[function]()
    except DataError:
        raise
    except (Exception, SystemExit) as error:  # of the user's code
        if isinstance(error, SystemExit) and whose.is_asked_for(error):
            raise
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = getattr(error, "lineno", None) or (frames[-1].lineno if frames else None)
        where, why = f"{path}:{line}" if line else str(path), " ".join(str(error).split())
        raise DataError(f"{function} failed: {where}: {type(error).__name__}: {why}. Correct it.") from error


def _functions(module: Mapping[str, Any]) -> list[str]:
    return [name for name, value in module.items() if callable(value) and not name.startswith("_")] or ["none"]


def _written(path: Path, function: str, returned: Any, folder: Path, options: Options, name: str) -> Written:
    where = f"{path}:{function}"
    parts: Mapping[str, Any] = returned if isinstance(returned, Mapping) else {"train": returned}
    spelt = {str(key): labels.split_of(str(key)) for key in parts if key not in BESIDE}
    unknown = [key for key, split in spelt.items() if split is None]
    if unknown:
        raise DataError(f"unknown split: {where}: {unknown[0]!r} is none of train, val and test. Rename or remove it.")
    pairs = {split: _pair(where, parts[key]) for key, split in spelt.items() if split}
    if "train" not in pairs:
        raise DataError(f"no training images: {where}. {EXPECTED}")
    names = [str(each) for each in parts.get("classes") or ()]
    indices, classes = labels.indexed(where, {split: list(own[1]) for split, own in pairs.items()}, names)
    groups = _groups(where, parts.get("groups"), {split: len(images) for split, (images, _) in pairs.items()}, options)
    splits = {
        split: _labelled(path, split, images, indices[split], groups.get(split, []))
        for split, (images, _) in pairs.items()
    }
    return assemble.write(where, splits, classes, folder, options, {"dataset": name})


def _groups(where: str, returned: Any, sizes: Mapping[str, int], options: Options) -> dict[str, list[str]]:
    """The group of each image of each split; empty without --group-by.

    Raises:
        DataError: the function returned no groups, or not one for each image.
    """
    if options.group_by is None:
        return {}
    if options.group_by not in labels.GROUPS or not isinstance(returned, Mapping):
        raise DataError(
            f'no groups: {where}: return "groups": {{"train": [...], ...}}, one for each split, and give --group-by groups.'
        )
    found = {labels.split_of(str(key)): [str(each) for each in own] for key, own in returned.items()}
    for split, size in sizes.items():
        if (known := len(found.get(split, []))) != size:
            raise DataError(f"no groups: {where}: {known} groups of {size} images of {split}. Give each one.")
    return {split: found[split] for split in sizes}


def _pair(where: str, value: Any) -> tuple[Any, Any]:
    try:
        images, found = value
        fits = len(images) == len(found)
    except (TypeError, ValueError) as error:
        raise DataError(f"no pictures: {where}: it returned {type(value).__name__}. {EXPECTED}") from error
    if not fits:
        raise DataError(f"no pictures: {where}: {len(images)} images and {len(found)} labels. Return as many of both.")
    found = found.tolist() if hasattr(found, "tolist") else found
    return (npz.pictures(np.asarray(images)) if hasattr(images, "shape") else images), found


def _labelled(path: Path, split: str, images: Sequence[Any], indices: np.ndarray, groups: list[str]) -> Labelled:
    if len(images) and isinstance(images[0], (str, os.PathLike)):
        files = [os.path.normpath(path.parent / each) for each in images]
        return Labelled(files, indices, [os.fspath(each) for each in images], groups, are_files=True)
    return Labelled(images, indices, [f"{split}[{place}]" for place in range(len(images))], groups)
