"""Decodes image files into rows of an array file, in several processes where that pays.

Threads would not do: of the time that a small JPEG takes in Pillow, most is spent holding the interpreter. The
processes are commands of their own (`python -m trainables.data.decode`), not forks, which a threaded parent makes unsafe,
and not those of multiprocessing, which would import the caller's main module again.
"""

import contextlib
import errno
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from trainables.cli import child
from trainables.cli.progress import Advance
from trainables.errors import DataError, StorageError
from trainables.files import durable
from trainables.hardware import cores

SIDE = 32  # pixels
ORIENTATION = 0x0112  # the EXIF tag that says how a camera was held
PIXEL_LIMIT = 1 << 26  # of an image file; larger ones are refused before they are decoded
STRIP = 256  # images that are written at once
WORTH_A_PROCESS = 2000  # images; a process takes about as long to start as this many take to decode
PROCESSES = 16  # at most

SYSTEMS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE)  # reasons that no picture has a hand in

Strip = tuple[str, int, list[str]]  # array file, offset of its first image in bytes, paths of the images
Bad = tuple[str, str]  # path of a file that is no good image, and why


class BadImageError(DataError):
    """A file that is no good image."""

    def __init__(self, path: str, why: str) -> None:
        step = "Check the path." if not Path(path).exists() else "Replace or remove it."
        super().__init__(f"cannot read image: {path}: {why}. {'Name its files.' if Path(path).is_dir() else step}")
        self.bad: Bad = path, why


def strips(file: Path, offset: int, paths: Sequence[str]) -> Iterator[Strip]:
    """Cut the decoding of paths into file, whose first image lies at offset, into pieces for any process."""
    for first in range(0, len(paths), STRIP):
        yield str(file), offset + first * SIDE * SIDE * 3, list(paths[first : first + STRIP])


def decode_all(work: Sequence[Strip], advance: Advance) -> list[Bad]:
    """Decode all strips, calling advance with the number of images just done.

    Returns:
        The files that are damaged, too large or no images, sorted by path; their rows are zeros.

    Raises:
        DataError: a file cannot be read for a reason that lies in the system.
        StorageError: an array file cannot be written.
    """
    processes = min(cores.usable(), PROCESSES, sum(len(paths) for _, _, paths in work) // WORTH_A_PROCESS)
    if processes > 1:
        return sorted(_decode_in_processes([work[start::processes] for start in range(processes)], advance))
    found = []
    for strip in work:
        found += _decode_strip(strip)
        advance(len(strip[-1]))
    return sorted(found)


def _decode_strip(strip: Strip) -> list[Bad]:
    file, offset, paths = strip
    rows, bad = np.zeros((len(paths), SIDE, SIDE, 3), np.uint8), []
    for row, path in zip(rows, paths, strict=True):
        try:
            row[:] = decode(path)
        except BadImageError as error:
            bad.append(error.bad)
    pixels = rows.tobytes()
    try:
        with open(file, "r+b") as array:  # noqa: PTH123 (strips travel as JSON, so paths are strings)
            array.seek(offset)
            array.write(pixels)
    except OSError as error:
        raise durable.storage_error(Path(file), error, len(pixels)) from error
    return bad


def decode(path: str) -> np.ndarray:
    """One PNG or JPEG as uint8 (32, 32, 3).

    Raises:
        BadImageError: it is damaged, of another kind, or larger than PIXEL_LIMIT.
        DataError: it cannot be read for a reason that lies in the system.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            return np.asarray(_fitted(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        if getattr(error, "errno", None) in SYSTEMS:
            raise DataError(f"cannot read image: {path}: {reason(error)}. Run the same command again.") from error
        raise BadImageError(path, reason(error)) from error


def reason(error: Exception) -> str:
    """Why a file cannot be read, without its path, which Pillow and the system repeat."""
    if isinstance(error, UnidentifiedImageError):
        return "no PNG or JPEG"
    return getattr(error, "strerror", None) or str(error)


def _fitted(image: Image.Image) -> Image.Image:
    """32x32 RGB. Until here only the header was read.

    Raises:
        ValueError: the image is larger than PIXEL_LIMIT.
    """
    if image.width * image.height > PIXEL_LIMIT:
        raise ValueError(f"{image.width} x {image.height} pixels where {PIXEL_LIMIT} are allowed")
    if image.size != (SIDE, SIDE):
        image.draft(None, (2 * SIDE, 2 * SIDE))  # a JPEG can be decoded at an eighth of its size, and many times faster
    image = _upright(image)
    if image.mode.startswith("I"):  # 16 bits per pixel, which convert would clip to white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode != "RGB":
        image = image.convert("RGB")
    return image if image.size == (SIDE, SIDE) else image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its camera says, if it does: phones store what the sensor saw, and how to hold it."""
    image.load()  # outside of what follows, so that a damaged picture is refused
    try:
        is_turned = image.getexif().get(ORIENTATION, 1) != 1
        return ImageOps.exif_transpose(image) if is_turned else image
    except Exception:  # notes beside the picture that make no sense; Pillow has many errors for them
        return image


def _decode_in_processes(shares: Sequence[Sequence[Strip]], advance: Advance) -> list[Bad]:
    children = [_start() for _ in shares]
    with ThreadPoolExecutor(len(children)) as pool:
        try:
            followers = [pool.submit(_follow, *pair, advance) for pair in zip(children, shares, strict=True)]
            return [bad for follower in as_completed(followers) for bad in follower.result()]
        finally:
            for child in children:
                child.kill()  # does nothing to one that has ended


def _start() -> "subprocess.Popen[str]":
    command, environment = child.command("trainables.data.decode"), child.environment()
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def _follow(child: "subprocess.Popen[str]", share: Sequence[Strip], advance: Advance) -> list[Bad]:
    """Give a process its share, and wait for it; a line is what came of a strip, or an error."""
    assert child.stdin is not None and child.stdout is not None
    bad = []
    with contextlib.suppress(BrokenPipeError), child:
        json.dump(share, child.stdin)
        child.stdin.close()
        for line in child.stdout:
            bad += _heed(json.loads(line), advance)
    if child.returncode:
        raise DataError(f"decoding stopped: a process ended with code {child.returncode}. Run the same command again.")
    return bad


def _heed(message: Any, advance: Advance) -> list[Bad]:
    if "error" in message:
        raise (StorageError if message["error"] == StorageError.kind else DataError)(message["text"])
    advance(message["done"])
    return [(path, why) for path, why in message["bad"]]


def _serve() -> None:
    """Be one of the processes: a share on stdin, lines on stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a killed parent ends it too, quietly
    try:
        for strip in json.load(sys.stdin):
            print(json.dumps({"bad": _decode_strip(strip), "done": len(strip[-1])}), flush=True)
    except (DataError, StorageError) as error:
        print(json.dumps({"error": error.kind, "text": str(error)}), flush=True)


if __name__ == "__main__":
    _serve()
