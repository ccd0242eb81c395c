"""The cache of decoded data sets: each has a folder of arrays that any process maps into its memory.

    data-cache/cifar10-0123456789abcdef/     the data set, and the start of the key of its sources
        train.npy  train-labels.npy          images uint8 (N, S, S, 3), labels int64 (N,); the split is already made
        val.npy    val-labels.npy
        test.npy   test-labels.npy           opened only by load_test, and when the folder is written or checked
        val-names.json                       the name of each validation image, if its source has names
        groups.json                          the group of each training and then each validation image, if there are groups
        meta.json                            name, classes, mean and std of train, fingerprint, sizes, hashes and census

A folder is written under a temporary name, made durable, and renamed, so it appears whole or not at all. One lock serves all
folders: a data set is decoded once, and a process that holds the lock may remove half-written folders, which have no owner.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trainables.config import IMAGE_SIZE
from trainables.data import census
from trainables.errors import DataError, RunError
from trainables.files import durable
from trainables.files.lock import exclusive

VERSION = 3  # of the format and of every decoder; a new version leaves old folders unused
SPLITS = ("train", "val", "test")
FILES = tuple(f"{split}{part}.npy" for split in SPLITS for part in ("", "-labels"))
ROWS = 8192  # rows of pixels that are summed at once: few enough for 32 bits, 8192 * 255 ** 2 < 2 ** 32
META, VAL_NAMES, GROUPS = "meta.json", "val-names.json", "groups.json"
FACTS = {"name", "classes", "mean", "std", "sizes", "fingerprint", "files", "census"}

Meta = dict[str, Any]


class Written(NamedTuple):
    """The facts of a data set beside its six array files."""

    classes: tuple[str, ...]
    source: Meta | None = None  # the part of the census that only the source knows
    val_names: list[str] | None = None  # the name of each validation image, independent of the place of the data set
    groups: list[int] | None = None  # of each training and then each validation image, from 0


Write = Callable[[Path], Written]


def key(kind: str, sources: str) -> str:
    """The key of a data set: a hash of its kind, its sources and the version of the decoders."""
    return durable.sha256(json.dumps([kind, sources, VERSION]).encode())


def find(name: str, key: str, data_dir: Path, *, thorough: bool = False) -> Path | None:
    """The folder of a data set that was decoded before, or None if there is no undamaged one.

    Args:
        thorough: compare the sha256 of each array as well as the size of its file.
    """
    folders = (root / _folder_name(name, key) for root in _roots(data_dir))
    return next((folder for folder in folders if damage(folder, thorough=thorough) is None), None)


def build(name: str, key: str, data_dir: Path, write: Write, *, thorough: bool = False) -> Path:
    """Decode a data set unless another process has done it, and return its folder.

    Args:
        write: writes the six array files into the folder that it gets, and returns the other facts.

    Raises:
        StorageError: no cache folder can be written.
        Exception: an exception of `write`; the half-written folder is removed.
    """
    root = writable_root(data_dir)
    try:
        with exclusive(root / ".lock"):
            found = find(name, key, data_dir, thorough=thorough)
            if found:
                return found
            for leftover in root.glob(".*.tmp"):
                shutil.rmtree(leftover, ignore_errors=True)
            return _build(root / _folder_name(name, key), name, write)
    except OSError as error:
        raise durable.storage_error(root, error, 0) from error


def damage(folder: Path, *, thorough: bool = False) -> str | None:
    """The first fault of a cache folder, or None if it has none."""
    try:
        for name, facts in read_meta(folder)["files"].items():
            if (folder / name).stat().st_size != facts["bytes"]:
                return f"{name} has another size"
            if thorough and _sha256(_opened(folder / name)) != facts["sha256"]:
                return f"{name} has another sha256"
    except DataError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return None


def read_meta(folder: Path) -> Meta:
    """The content of meta.json of a cache folder.

    Raises:
        DataError: the file is missing, damaged or not complete.
    """
    try:
        meta = durable.read_json(folder / META)
    except RunError as error:
        raise _unusable(folder, f"{META} is missing or damaged.") from error
    if set(meta) != FACTS or set(meta["files"]) != set(FILES):
        raise _unusable(folder, f"{META} is not complete.")
    return meta


def open_split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a split as read-only memory maps.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        images, labels = (np.load(folder / f"{split}{part}.npy", mmap_mode="r") for part in ("", "-labels"))
    except (OSError, ValueError) as error:
        raise _unusable(folder, f"{error}.") from error
    shape = (len(labels), *[images.shape[1]] * 2, 3) if images.ndim == 4 else ()
    fits = images.shape == shape and images.dtype == np.uint8 and labels.dtype == np.int64
    if not fits or not images.flags.c_contiguous:
        raise _unusable(folder, f"{split}.npy is not an array of images.")
    return images, labels


def val_names(folder: Path) -> list[str]:
    """The name of each validation image; empty if the source has no names or the file of names cannot be read."""
    try:
        names = durable.read_json(folder / VAL_NAMES)["names"]
    except (RunError, KeyError):
        return []
    return names if isinstance(names, list) else []


def groups(folder: Path) -> list[int]:
    """The group of each training image and then of each validation image, from 0; empty if there are no groups.

    Raises:
        DataError: the data set has groups, but their file cannot be read.
    """
    if not read_meta(folder)["census"].get("groups"):
        return []
    try:
        found: list[int] = durable.read_json(folder / GROUPS)["groups"]
    except (RunError, KeyError) as error:
        raise _unusable(folder, f"{GROUPS} is missing or damaged.") from error
    return found


def save_split(folder: Path, split: str, images: np.ndarray, labels: np.ndarray) -> None:
    file, offset = begin_split(folder, split, labels, images.shape[1])
    with file.open("r+b") as array:
        array.seek(offset)
        array.write(np.ascontiguousarray(images).data)


def begin_split(folder: Path, split: str, labels: np.ndarray, size: int = IMAGE_SIZE) -> tuple[Path, int]:
    """Save the labels of a split, and the header of a file for as many images of size x size pixels.

    Returns:
        The file of images, and the offset of its first image in bytes.
    """
    _begin(folder / f"{split}-labels.npy", "<i8", labels.shape, labels.astype("<i8").tobytes())
    file = folder / f"{split}.npy"
    return file, _begin(file, "|u1", (len(labels), size, size, 3))


def resize(folder: Path, size: int) -> None:
    """Resize the images of a folder that is being written to size x size pixels, if they have another size."""
    from trainables.data import decode  # Pillow loads here

    for split in SPLITS:
        images, labels = open_split(folder, split)
        if images.shape[1] == size:
            continue
        (folder / f"{split}.npy").rename(folder / f"{split}.before")  # the renamed file stays mapped
        file, offset = begin_split(folder, split, labels, size)
        with file.open("r+b") as array:
            array.seek(offset)
            for image in images:
                array.write(np.ascontiguousarray(decode.fit(image, split, size=size)[0]).data)
        (folder / f"{split}.before").unlink()


def _begin(file: Path, kind: str, shape: tuple[int, ...], content: bytes = b"") -> int:
    """Write the header of a .npy file and its content, which may also follow later. Return the length of the header.

    np.save is not used, because it hides the reason when a disk is full.
    """
    with file.open("wb") as array:
        np.lib.format.write_array_header_1_0(array, {"descr": kind, "fortran_order": False, "shape": shape})
        head = array.tell()
        array.write(content)
    return head


def _roots(data_dir: Path) -> list[Path]:
    """The places for the cache: beside the data folder, and second, if there is a home folder, in the user's cache."""
    beside = Path(os.path.abspath(data_dir)).parent / "data-cache"  # noqa: PTH100
    own = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")  # noqa: PTH111
    return [beside] if own.startswith("~") else [beside, Path(own) / "cifar-search"]


def writable_root(data_dir: Path) -> Path:
    """Make and return the first cache place that can be written."""
    first, *others = _roots(data_dir)
    try:
        first.mkdir(parents=True, exist_ok=True)
        (first / ".lock").touch()
    except OSError as error:
        if error.errno not in durable.DENIED or not others:
            raise durable.storage_error(first, error, 0) from error
        durable.make_folder(others[0])
        return others[0]
    return first


def _folder_name(name: str, key: str) -> str:
    return f"{name}-{key[:16]}"


def _build(folder: Path, name: str, write: Write) -> Path:
    temporary = folder.with_name(f".{folder.name}.tmp")
    temporary.mkdir()
    try:
        written = write(temporary)
        if written.val_names:
            durable.write_json(temporary / VAL_NAMES, {"names": written.val_names})
        if written.groups:
            durable.write_json(temporary / GROUPS, {"groups": written.groups})
        _write_meta(temporary, name, written)
        for file in FILES:
            _sync(temporary / file)
        if folder.exists():  # a damaged one, because a good one would have been found
            folder.rename(folder.with_name(f".{folder.name}.old.tmp"))
            shutil.rmtree(folder.with_name(f".{folder.name}.old.tmp"), ignore_errors=True)
        temporary.rename(folder)
        durable.sync_folder(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _write_meta(folder: Path, name: str, written: Written) -> None:
    images, labels = {}, {}
    for split in SPLITS:
        images[split], labels[split] = open_split(folder, split)
    classes = list(written.classes)
    arrays = [
        _opened(folder / file) for file in FILES
    ]  # headers are parsed here: ast fails in threads before Python 3.11.5
    with ThreadPoolExecutor(2) as pool:
        hashes = dict(zip(FILES, pool.map(_sha256, arrays), strict=True))
    mean, std = _moments(images["train"])
    durable.write_json(folder / META, {
        "name": name,
        "classes": classes,
        "mean": mean,
        "std": std,
        "sizes": {split: len(own) for split, own in labels.items()},
        "fingerprint": durable.sha256(json.dumps([hashes, classes]).encode()),
        "files": {file: {"bytes": (folder / file).stat().st_size, "sha256": hashes[file]} for file in FILES},
        "census": census.count(images, labels, len(classes), written.source or {}),
    })  # fmt: skip


def _moments(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each colour, pixels scaled 0 to 1. The sums are exact, because they are integers."""
    row = 3 * images.shape[1]
    sums, squares = np.zeros(row, np.int64), np.zeros(row, np.int64)  # of each value in a row of pixels
    step = max(1, ROWS // images.shape[1])
    for first in range(0, len(images), step):
        values = images[first : first + step].reshape(-1, row).astype(np.uint32)
        sums += values.sum(0, dtype=np.uint32)
        squares += np.square(values, out=values).sum(0, dtype=np.uint32)
    total = len(images) * images.shape[1] ** 2
    pairs = zip(*(part.reshape(-1, 3).sum(0).tolist() for part in (sums, squares)), strict=True)
    moments = [(part / total / 255, (total * square - part**2) ** 0.5 / total / 255) for part, square in pairs]
    return [mean for mean, _ in moments], [
        std or 1.0 for _, std in moments
    ]  # 1 for a constant colour, against division by 0


def _opened(file: Path) -> np.ndarray:
    """The array of a .npy file, mapped into memory."""
    try:
        return np.asarray(np.load(file, mmap_mode="r"))
    except ValueError as error:
        raise DataError(f"damaged array: {file}: {error}. Run the same command again.") from error


def _sha256(array: np.ndarray) -> str:
    """The sha256 of an array's type, shape and bytes. The header of its file may differ between versions of numpy."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(array.data)
    return digest.hexdigest()


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _unusable(folder: Path, why: str) -> DataError:
    return DataError(f"unusable cache: {folder}: {why} Remove this folder and run the same command again.")
