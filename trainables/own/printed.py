"""What a user's loop prints goes into output.log of its trial, and stays there; files of what is printed are kept short."""

import contextlib
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from trainables.cli import streams
from trainables.files import durable

FILE = "output.log"  # in the folder of a trial
LONGEST = 1 << 20  # bytes; of a longer file the newest half of this is kept after each epoch


@contextlib.contextmanager
def kept_in(folder: Path) -> Iterator[Callable[[], None]]:
    """Append what this process prints in the block to the trial's file; yield a function that keeps the file short.

    What cannot be written is lost: printing fails no trial.

    Raises:
        OSError, StorageError: the file cannot be made.
    """
    durable.make_folder(folder)
    path, kept = folder / FILE, (sys.stdout, sys.stderr)
    with streams.into(path):
        lasting = sys.stdout, sys.stderr = tuple(streams.lasting(place, each) for place, each in enumerate(kept, 1))
        try:
            yield lambda: shorten(path)
        finally:
            streams.flush(*lasting)
            sys.stdout, sys.stderr = kept  # also in place of a stream that the user's code has put there
            shorten(path)


def shorten(path: Path) -> None:
    """Keep the newest half of LONGEST bytes of a file that is longer. Whoever appends to the file goes on behind that."""
    with contextlib.suppress(OSError), path.open("a+b", buffering=0) as file:
        keep_newest(file)


def keep_newest(file: IO[bytes]) -> None:
    """Keep the newest half of LONGEST bytes of an unbuffered file that is longer, and to which every write appends."""
    if file.seek(0, os.SEEK_END) > LONGEST:
        file.seek(-LONGEST // 2, os.SEEK_END)
        newest = file.read()
        file.truncate(0)
        file.write(newest)


def append_only(file: IO[bytes]) -> None:
    """Let every write append to the file, also those of a process that inherits it."""
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
