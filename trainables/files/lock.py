"""A lock between processes that waits: for work that has to be done once, by whoever comes first."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from trainables.cli.progress import say
from trainables.files import durable


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file, waiting for whoever holds it. The kernel lets go when a process ends, however it ends.

    The file stays: removing it would let two processes hold two files of the same name.

    Raises:
        OSError: the file cannot be created or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        is_ours = durable.lock(descriptor)
        if is_ours is None:
            say(f"warning: {path}: its file system has no locks, so nothing notices a second process. Start only one.")
        if is_ours is False:
            say(f"waiting for another process that prepares the same data ({path})")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
