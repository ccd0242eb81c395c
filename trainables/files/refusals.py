"""Errors of reading and writing files, as messages with a next step."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from trainables.errors import DeniedError, StorageError

DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
FULL = (errno.ENOSPC, errno.EDQUOT)
OF_THE_MACHINE = (*FULL, errno.EIO, errno.ENFILE, errno.ESTALE)  # whoever meets them, a user's code too
NEXT = {  # next step after a refused write; the step for a full disk says how much to free
    errno.EACCES: "This user may not write there: name another place, or have its owner allow it.",
    errno.EPERM: "This user may not write there: name another place, or have its owner allow it.",
    errno.EROFS: "Nobody may write there: name another place.",
    errno.EFBIG: "Files may not grow so large: raise the limit (ulimit -f), then run the same command again.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n), then run the same command again.",
    errno.ENAMETOOLONG: "Name a shorter path.",
    errno.EEXIST: "Name another place.",
    errno.ENOTDIR: "Name another place.",
    errno.EISDIR: "Name another place.",
}


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a StorageError that names the path."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error, 0) from error


def unreadable(path: Path, error: OSError) -> StorageError:
    step = "Have its owner allow it." if error.errno in DENIED else "Run the same command again."
    return StorageError(f"cannot read: {path}: {error.strerror}. {step}")


def storage_error(path: Path, error: OSError, size: int) -> StorageError:
    """The StorageError for an OSError while writing `size` bytes, with the next step for the user."""
    why = f"cannot write: {path}: {error.strerror or error}"
    if error.errno in DENIED:
        return DeniedError(f"{why}. {NEXT[error.errno]}")
    if error.errno in FULL:
        return StorageError(
            f"{why}. Free {max(1, size >> 20)} MiB or more, then run the same command again; nothing is lost."
        )
    if error.errno == errno.ENOENT and not path.parent.exists():
        return StorageError(
            f"{why}: {path.parent} is gone. Move it back if it was moved, then run the same command again; nothing is lost."
        )
    step = NEXT.get(error.errno or 0, "Check the disk, then run the same command again; nothing is lost.")
    return StorageError(f"{why}. {step}")
