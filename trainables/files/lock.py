"""Locks between processes, which the kernel lets go of however a process ends: one that refuses, one that waits."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from trainables.cli.progress import say
from trainables.errors import LockedError
from trainables.files.refusals import told

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)  # of flock, on a file system without locks


def lock(descriptor: int) -> bool | None:
    """Lock an open file without waiting: whether it is ours now, or None where the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return None
    return True


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder exclusively. The kernel lets go of it when the process ends, however it ends.

    The lock is on a file in it, which stays: the locks of folders are not shared between machines on NFS.

    Raises:
        LockedError: another process holds it.
        StorageError: the lock cannot be made.
    """
    with told(folder):
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with told(folder):
            is_ours = lock(descriptor)
        if is_ours is False:
            raise LockedError(f"in use: {folder}: another process works on it. Wait for it to end.")
        yield
    finally:
        with contextlib.suppress(OSError):  # or it would hide the error that ended the work
            os.close(descriptor)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file, waiting for whoever holds it. The kernel lets go when a process ends, however it ends.

    The file stays: removing it would let two processes hold two files of the same name.

    Raises:
        OSError: the file cannot be created or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        is_ours = lock(descriptor)
        if is_ours is None:
            say(f"warning: {path}: its file system has no locks, so nothing notices a second process. Start only one.")
        if is_ours is False:
            say(f"waiting for another process that prepares the same data ({path})")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
