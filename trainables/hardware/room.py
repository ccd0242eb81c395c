"""Check the room that decoded images need: print it before they are decoded, and refuse if the disk has too little."""

import os
import shutil
from pathlib import Path

from trainables.cli.progress import say
from trainables.errors import StorageError
from trainables.written import count

TOLD = 1e9  # least number of bytes that is printed


def check(images: int | None, size: int, folder: Path) -> None:
    """Print how much disk and memory images of size x size pixels will take, if it is TOLD bytes or more.

    Args:
        images: the number of images; None if it is not known before they are decoded.
        folder: an existing folder, on the disk of the images.

    Raises:
        StorageError: the disk has too little free room.
    """
    taken = 3 * size * size * (images or 0)
    if taken < TOLD:
        return
    free, memory = shutil.disk_usage(folder).free, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    what = f"{count(images or 0)} images of {size} x {size} pixels take {gigabytes(taken)}"
    if taken > free:
        raise StorageError(
            f"too little room: {folder}: {what} and {gigabytes(free)} are free. Free some, choose a smaller --image-size, or "
            "move the data folder (--data-dir), beside which they lie."
        )
    share = "which all trials share" if taken < memory else "which is less: each epoch reads the disk"
    say(f"note: {what} of {gigabytes(free)} in {folder}, once; this machine has {gigabytes(memory)} of memory, {share}")


def gigabytes(number: float) -> str:
    return f"{number / 1e9:.1f} GB"
