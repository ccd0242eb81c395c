"""Files that are whole or not at all: written beside, synced, renamed, and their folder synced."""

import contextlib
import os
import stat
from pathlib import Path

from trainables.errors import StorageError
from trainables.files.refusals import storage_error, told

KINDS = {  # of what is no file, as it stands in an error
    stat.S_IFDIR: "a folder", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}  # fmt: skip


def write(path: Path, data: bytes) -> None:
    """Replace path by data: afterwards the old or the new content is there, never a mixture. A link to a file is replaced.

    Raises:
        StorageError: the disk refused; path still holds its old content, or all of the new if only the folder failed. Or path
            is a device, a pipe, a socket or a folder, which nothing replaces.
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
    """What stands there, if a rename must not replace it: no regular file, or a link of the system, as /dev/stdout is one.

    Any other link is replaced, whether it leads to a file, to a folder or nowhere.
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
    """Whether a folder holds devices and not files."""
    return folder.parts[1:2] in (("dev",), ("proc",), ("sys",)) and folder.parts[1:3] != ("dev", "shm")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create a folder and those it lies in, and make their names durable.

    Args:
        mode: of a new folder, as far as the umask lets it.

    Raises:
        StorageError: the disk refused.
    """
    with told(folder):
        missing = [parent for parent in folder.parents if not parent.exists()]
        folder.mkdir(mode, parents=True, exist_ok=True)
        for created in (folder, *missing):
            sync_folder(created.parent)


def sweep(folder: Path) -> None:
    """Remove the temporary files that a killed process left behind."""
    with told(folder):
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)
