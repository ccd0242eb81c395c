"""Locks between processes: one that refuses and one that waits. The kernel releases them however a process ends."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from trainables.cli.progress import say
from trainables.errors import LockedError
from trainables.files.refusals import told

HELD: set[int] = set()  # open lock files of this process
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)  # of flock, on a file system without locks


def lock(descriptor: int) -> bool | None:
    """Try to lock an open file without waiting. True: locked; False: another process holds it; None: no locks here."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return None
    return True


def let_go() -> None:
    """Close the lock files in a process that was forked, such as one of a user's DataLoader: it would hold them on."""
    while HELD:
        os.close(HELD.pop())


os.register_at_fork(after_in_child=let_go)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a lock file; yield its descriptor, and unlock it at the end."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    HELD.add(descriptor)
    try:
        yield descriptor
    finally:
        if descriptor in HELD:  # it is not in a forked process
            HELD.remove(descriptor)
            with contextlib.suppress(OSError):  # an error here would hide the error that ended the work
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a process that another library has forked
            with contextlib.suppress(OSError):
                os.close(descriptor)


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder exclusively. The kernel releases it when the process ends, however it ends.

    The lock is on the file .lock in the folder, because NFS does not share locks of folders between machines. The file stays.
    On a file system without locks nothing is locked.

    Raises:
        LockedError: another process holds the lock.
        StorageError: the lock file cannot be opened or locked.
    """
    with contextlib.ExitStack() as stack:
        with told(folder):
            is_ours = lock(stack.enter_context(opened(folder / ".lock")))
        if is_ours is False:
            raise LockedError(f"in use: {folder}: another process works on it. Wait for it to end.")
        yield


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file exclusively, and wait while another process holds it. The kernel releases it when a process ends.

    The file stays: if it were removed, two processes could hold two files of one name. On a file system without locks the
    function prints a warning and locks nothing.

    Raises:
        OSError: the file cannot be created or locked.
    """
    with opened(path) as descriptor:
        is_ours = lock(descriptor)
        if is_ours is None:
            say(f"warning: {path}: its file system has no locks, so nothing notices a second process. Start only one.")
        if is_ours is False:
            say(f"waiting for another process that prepares the same data ({path})")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
