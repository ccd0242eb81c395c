"""Locks for one process per run, and per trial: the kernel releases a lock when its holder ends, however it ends."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from trainables.cli.progress import say
from trainables.errors import LockedError, StorageError
from trainables.files import durable
from trainables.files.lock import lock

LOCK_PATIENCE = 20.0  # seconds; the worker of a search that was just killed lives a little longer than the search


@contextlib.contextmanager
def hold(run: Path) -> Iterator[None]:
    """Lock the run folder for this process; the text in run.lock names the holder for people and decides nothing.

    Raises:
        LockedError: another process holds the run folder.
        StorageError: the folder cannot be written to.
    """
    try:
        opened = (run / "run.lock").open("a+")
    except OSError as error:
        raise told(run, error) from error
    with opened as file:
        try:
            is_ours = lock(file.fileno())
        except OSError as error:
            raise told(run, error) from error
        if is_ours is False:
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            raise LockedError(f"in use: {run}: by {holder}. Wait for it, or stop it first.")
        if is_ours is None:
            say(f"warning: {run}: its file system has no locks, so nothing notices a second process. Start only one.")
        try:
            file.truncate(0)
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        except OSError as error:
            raise told(run, error) from error
        yield


def held(run: Path) -> bool | None:
    """Whether a process works on the run right now; None if that cannot be told, as on a file system without locks."""
    try:
        with (run / "run.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return False


def told(run: Path, error: OSError) -> StorageError:
    return durable.storage_error(run / "run.lock", error, 0)


def when_free(work: Callable[[], None]) -> None:
    """Call `work`, which needs a trial's folder, again and again until no other process holds the folder.

    Raises:
        LockedError: another process holds the folder for longer than LOCK_PATIENCE.
    """
    give_up = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            return work()
        except LockedError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)
