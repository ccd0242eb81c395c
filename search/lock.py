"""One process per run: a lock that the kernel lets go of when its holder ends, however it ends."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from trainables.durable import storage_error
from trainables.errors import LockedError


@contextlib.contextmanager
def hold(run: Path) -> Iterator[None]:
    """Hold the run folder. The text in run.lock tells people who does; it decides nothing.

    Raises:
        LockedError: another process holds it.
        StorageError: the folder cannot be written to.
    """
    try:
        opened = (run / "run.lock").open("a+")
    except OSError as error:
        raise storage_error(run / "run.lock", error, 0) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            raise LockedError(f"in use: {run}: by {holder}. Wait for it, or stop it first.") from error
        try:
            file.truncate(0)
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        except OSError as error:
            raise storage_error(run / "run.lock", error, 0) from error
        yield
