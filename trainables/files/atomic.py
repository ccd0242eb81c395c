"""Atomic writes: a file is written under a temporary name, synced and renamed, and its folder is synced."""

import contextlib
import os
import shutil
import stat
from pathlib import Path

from trainables.errors import StorageError
from trainables.files.refusals import storage_error, told

KINDS = {  # words of an error for what is not a regular file
    stat.S_IFDIR: "a folder", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}  # fmt: skip


def write(path: Path, data: bytes) -> None:
    """Replace the content of path atomically: a reader sees the old or the new content, never a mixture.

    A link to a file is replaced by a file.

    Raises:
        StorageError: the write failed; path holds its old content, or all of the new content if only the sync of the folder
            failed. Or path is a device, a pipe, a socket or a folder, none of which is replaced.
    """
    if kind := no_file(path):
        raise StorageError(f"not replaced: {path}: it is {kind}. Name a file.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise storage_error(path, error, len(data)) from error


def no_file(path: Path) -> str | None:
    """The kind of thing at path if a write must not replace it, or None if path may be written.

    Not replaced are folders, devices, pipes, sockets, and links below /dev, /proc and /sys, such as /dev/stdout. Other links to
    a file, to a folder or to nothing are replaced.
    """
    try:
        if path.is_symlink() and of_system(path.parent.resolve()):
            return "a link of the system"
        mode = path.stat().st_mode
    except OSError:
        return None
    may_go = stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and path.is_symlink())
    return None if may_go else KINDS.get(stat.S_IFMT(mode), "no file")


def of_system(folder: Path) -> bool:
    """Whether a folder lies in /dev, /proc or /sys, but not in /dev/shm, which holds files."""
    return folder.parts[1:2] in (("dev",), ("proc",), ("sys",)) and folder.parts[1:3] != ("dev", "shm")


def sync_folder(folder: Path) -> None:
    """Sync a folder to the disk, so that the names of its files are durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create a folder and its missing parents, and make their names durable.

    Args:
        mode: permissions of the new folder, before the umask.

    Raises:
        StorageError: a folder cannot be created or synced.
    """
    with told(folder):
        missing = [parent for parent in folder.parents if not parent.exists()]
        folder.mkdir(mode, parents=True, exist_ok=True)
        for created in (folder, *missing):
            sync_folder(created.parent)


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders that a killed process left behind."""
    with told(folder):
        for leftover in folder.glob(".*.tmp"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)
