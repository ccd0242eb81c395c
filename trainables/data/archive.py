"""The published facts of an archive (size, hashes), and a check of a file against them."""

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

Member = tuple[str, str]  # name of a file in the archive, its md5


@dataclass(frozen=True, kw_only=True)
class Archive:
    """The facts of one CIFAR archive. The hashes of the members are those that torchvision publishes."""

    name: str  # of the data set, on the command line
    title: str  # as people write it
    file: str
    urls: tuple[str, ...]  # mirrors in the order they are tried; the same bytes everywhere
    size: int  # bytes
    sha256: str
    md5: str
    folder: str  # folder of the members, in the archive and when it is unpacked
    train: tuple[Member, ...]
    test: tuple[Member, ...]
    meta: Member
    images: tuple[int, int]  # in the training and the test members
    classes: int
    label_key: bytes
    class_key: bytes


def mismatch(archive: Archive, file: BinaryIO) -> str | None:
    """The reason why an open file is not the archive, or None if it is. The file is read from its start."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    file.seek(0)
    while size <= archive.size and (chunk := file.read(1 << 20)):
        size += len(chunk)
        sha256.update(chunk)
        md5.update(chunk)
    if size != archive.size:
        return f"it has {'more' if size > archive.size else size} bytes instead of {archive.size}"
    if (sha256.hexdigest(), md5.hexdigest()) != (archive.sha256, archive.md5):
        return f"its sha256 is {sha256.hexdigest()} instead of {archive.sha256}"
    return None
