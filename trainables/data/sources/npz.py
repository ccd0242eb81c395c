"""npz:PATH, arrays of pictures and labels in one numpy file. The names of arrays hold the split, or all are for training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data import assemble, labels
from trainables.data.assemble import Labelled
from trainables.data.cache import Written
from trainables.data.names import base_name, elsewhere, place
from trainables.data.sources.base import Options, Source, file_key
from trainables.errors import DataError
from trainables.written import plural

KINDS = {"images": labels.IMAGES, "labels": labels.LABELS, "groups": labels.GROUPS}
EXPECTED = (
    "It has images and labels, or train_images, train_labels, test_images and test_labels (or x_train, y_train ...)"
)


def source(dataset: str, options: Options) -> Source:
    """The source of npz:PATH. The file is opened only when the images are decoded.

    Raises:
        DataError: there is no such file.
    """
    path = place(dataset)

    def write(folder: Path) -> Written:
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return _written(
                    path, {name: arrays[name] for name in arrays.files}, folder, options, elsewhere(dataset)
                )
        except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"cannot read arrays: {path}: {error}. Save it with numpy.savez, without objects."
            ) from error
        except Exception as error:  # errors of zipfile and zlib
            if isinstance(error, DataError) or not type(error).__module__.startswith(("zipfile", "zlib")):
                raise
            raise DataError(f"cannot read arrays: {path}: {error}. Save it again with numpy.savez.") from error

    return Source(base_name(path), file_key("npz", [path], options), write)


def _written(path: Path, arrays: dict[str, np.ndarray], folder: Path, options: Options, name: str) -> Written:
    used, found = _sorted(arrays)
    where = str(path)
    for split, own in found.items():
        _check(where, split, own)
    if "train" not in found:
        raise DataError(f"no training images: {where}: its arrays are {', '.join(arrays)}. {EXPECTED}.")
    classes_name = labels.column(arrays, labels.CLASSES)
    names = [str(each) for each in arrays[classes_name].ravel()] if classes_name else []
    indices, classes = labels.indexed(
        where, {split: own["labels"].ravel().tolist() for split, own in found.items()}, names
    )
    splits = {
        split: Labelled(
            pictures(own["images"]), indices[split], [f"{used[split]}[{place}]" for place in range(len(own["images"]))],
            _groups(where, own, options),
        )
        for split, own in found.items()
    }  # fmt: skip
    unread = sorted(set(arrays) - {each for own in found.values() for each in own["names"]} - {classes_name})
    facts: dict[str, Any] = {"dataset": name}
    if unread:
        facts["unread"] = (
            f"{plural(len(unread), 'array')} not read: {', '.join(unread[:5])}{' ...' if len(unread) > 5 else ''}"
        )
    return assemble.write(where, splits, classes, folder, options, facts)


def _sorted(arrays: dict[str, np.ndarray]) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """The name of the array of images of each split, and the split's arrays of images, labels and groups.

    Arrays without a split in their name are for training.
    """
    used: dict[str, str] = {}
    found: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        split, rest = labels.words(name)
        kind = next((kind for kind, known in KINDS.items() if rest in known), None)
        own = found.setdefault(split or "train", {"names": []}) if kind else {}
        if kind and kind not in own:
            own[kind] = array
            own["names"].append(name)
            used |= {split or "train": name} if kind == "images" else {}
    return used, {split: own for split, own in found.items() if "images" in own}


def _check(where: str, split: str, own: dict[str, Any]) -> None:
    if "labels" not in own:
        raise DataError(f"no labels: {where}: {own['names'][0]} has none. {EXPECTED}.")
    images, found = own["images"], own["labels"]
    if images.ndim not in (3, 4) or len(images) != found.size:
        raise DataError(
            f"no pictures: {where}: the images of {split} have the shape {images.shape} and the labels {found.shape}. "
            "Expected are (N, H, W) or (N, H, W, 3), and (N,)."
        )


def _groups(where: str, own: dict[str, Any], options: Options) -> Sequence[str]:
    if options.group_by is None:
        return ()
    if options.group_by not in labels.GROUPS or "groups" not in own:
        raise DataError(f"no groups: {where}: name an array groups (or train_groups ...), and give --group-by groups.")
    if own["groups"].size != len(own["images"]):
        raise DataError(
            f"no groups: {where}: {own['groups'].size} groups of {len(own['images'])} images. Give each one."
        )
    return [str(each) for each in own["groups"].ravel()]


def pictures(images: np.ndarray) -> np.ndarray:
    """Images as (N, H, W) or (N, H, W, C): for images (N, C, H, W), as torch has them, the channels are moved last."""
    is_first = images.ndim == 4 and images.shape[1] in (1, 3, 4) and images.shape[3] not in (1, 3, 4)
    return images.transpose(0, 2, 3, 1) if is_first else images
