"""What a user's loop prints: it goes into output.log of its trial, and stays there."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from trainables.cli import streams
from trainables.files import durable

FILE = "output.log"  # in the folder of a trial
LONGEST = 1 << 20  # bytes; of a longer file the newest half of this is kept, so no search fills a disk by printing


@contextlib.contextmanager
def kept_in(folder: Path) -> Iterator[Callable[[], None]]:
    """Append what this process prints in the block to the trial's file; yield a function that keeps the file short.

    Raises:
        OSError, StorageError: the file cannot be made.
    """
    durable.make_folder(folder)
    path = folder / FILE
    with streams.into(path):
        yield lambda: shorten(path)


def shorten(path: Path) -> None:
    """Keep the newest half of LONGEST bytes of a file that is longer. Whoever appends to the file goes on behind that."""
    with contextlib.suppress(OSError):
        if path.stat().st_size <= LONGEST:
            return
        with path.open("r+b") as file:
            file.seek(-LONGEST // 2, os.SEEK_END)
            newest = file.read()
            file.seek(0)
            file.write(newest)
            file.truncate()
