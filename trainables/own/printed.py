"""What a user's loop prints: it goes into output.log of its trial, and stays there."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

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
    with contextlib.suppress(OSError):
        if path.stat().st_size <= LONGEST:
            return
        with path.open("r+b") as file:
            file.seek(-LONGEST // 2, os.SEEK_END)
            newest = file.read()
            file.seek(0)
            file.write(newest)
            file.truncate()
