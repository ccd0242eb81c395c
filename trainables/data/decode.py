"""Decode image files into rows of an array file, in several processes if there are many images.

Threads would not help, because Pillow holds the interpreter lock for most of the time that a small JPEG takes. The processes
are started as commands (`python -m trainables.data.decode`). Forks are unsafe if the parent has threads, and processes of
multiprocessing would import the caller's main module again.
"""

import contextlib
import errno
import io
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from trainables.cli import child
from trainables.cli.progress import Advance
from trainables.config import IMAGE_SIZE
from trainables.data.names import CROP, PAD
from trainables.errors import DataError, StorageError
from trainables.files import durable
from trainables.hardware import cores

ORIENTATION = 0x0112  # the EXIF tag that says how a camera was held
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")  # known by content, whatever the name; MPO is a kind of JPEG
NAMES = "PNG, JPEG, WebP, BMP, TIFF or GIF"
PIXEL_LIMIT = 1 << 26  # pixels of an image file; larger files are refused before they are decoded
JPEG_LIMIT = 1 << 28  # the limit for JPEG files, which can be decoded at an eighth of their width and height
STRIP = 256  # images that are written at once
WORTH_A_PROCESS = 2000  # images; to start a process takes about as long as to decode this many
PROCESSES = 16  # the most processes

SYSTEMS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE)  # errors of the system, not of a picture

Strip = tuple[
    str, int, str, int, list[str]
]  # array file, offset of its first image in bytes, one of RESIZES, size of an image in pixels, paths of the images
Bad = tuple[str, str]  # path of a file and why it cannot be read; or path of a good file and OBLONG
OBLONG = "not square"
Seen = tuple[np.ndarray, bool]  # uint8 (S, S, 3), and whether the picture was OBLONG


class BadImageError(DataError):
    """A file that cannot be read as an image."""

    def __init__(self, path: str, why: str) -> None:
        step = "Replace or remove it." if os.path.exists(path) else "Check the path."  # noqa: PTH110, Path.exists may raise
        is_folder = os.path.isdir(path)  # noqa: PTH112, likewise
        super().__init__(f"cannot read image: {path}: {why}. {'Name its files.' if is_folder else step}")
        self.bad: Bad = path, why


def strips(file: Path, offset: int, paths: Sequence[str], how: str = CROP, size: int = IMAGE_SIZE) -> Iterator[Strip]:
    """Divide the work of decoding `paths` into strips, any of which a process can do alone.

    Args:
        file: the array file; its first image lies at `offset`.
    """
    for first in range(0, len(paths), STRIP):
        yield str(file), offset + first * size * size * 3, how, size, list(paths[first : first + STRIP])


def decode_all(work: Sequence[Strip], advance: Advance) -> list[Bad]:
    """Decode all strips, and call `advance` with the number of images just done.

    Returns:
        The bad files, which are damaged, too large or no images, and the good files that are OBLONG, all sorted by path. The rows
        of bad files are zeros.

    Raises:
        DataError: a file cannot be read because of an error of the system.
        StorageError: an array file cannot be written.
    """
    processes = min(cores.usable(), PROCESSES, sum(len(strip[-1]) for strip in work) // WORTH_A_PROCESS)
    if processes > 1:
        return sorted(_decode_in_processes([work[start::processes] for start in range(processes)], advance))
    found = []
    for strip in work:
        found += _decode_strip(strip)
        advance(len(strip[-1]))
    return sorted(found)


def _decode_strip(strip: Strip) -> list[Bad]:
    file, offset, how, size, paths = strip
    rows, bad = np.zeros((len(paths), size, size, 3), np.uint8), []
    for row, path in zip(rows, paths, strict=True):
        try:
            row[:], is_oblong = read(path, how, size)
            bad += [(path, OBLONG)] if is_oblong else []
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


def decode(path: str, how: str = CROP, size: int = IMAGE_SIZE) -> np.ndarray:
    """The pixels of an image file, uint8 (size, size, 3), as `read` gives them."""
    return read(path, how, size)[0]


def read(path: str, how: str, size: int) -> Seen:
    """An image file as uint8 (size, size, 3), and whether it is not square. Of several frames or pages the first is read.

    Args:
        how: how a picture that is not square is made square: "crop" takes the centre, "squash" distorts the whole picture, "pad"
            puts the whole picture on black.

    Raises:
        BadImageError: the file is damaged, of another format, or larger than its limit (JPEG_LIMIT or PIXEL_LIMIT).
        DataError: the file cannot be read because of an error of the system.
    """
    return _decoded(lambda: Image.open(path, formats=FORMATS), path, how, size)


def fit(picture: Any, name: str, how: str = CROP, size: int = IMAGE_SIZE) -> Seen:
    """A picture that is not a file as uint8 (size, size, 3), and whether it is not square.

    Args:
        picture: a PIL image, the bytes of an image file, or an array: uint8, uint16 or bool, or floats from 0 to 1; (H, W),
            (H, W, 1), (H, W, 3) or (H, W, 4). Or a function that reads one of these now.
        name: name of the picture in messages.
        how: as for `read`.

    Raises:
        BadImageError: the picture is none of these, damaged, or too large.
    """
    return _decoded(lambda: _opened(picture() if callable(picture) else picture), name, how, size)


def _opened(picture: Any) -> Image.Image:
    if isinstance(picture, Image.Image):
        return picture
    if isinstance(picture, bytes):
        return Image.open(io.BytesIO(picture), formats=FORMATS)
    return Image.fromarray(_pixels(np.asarray(picture)))


def _pixels(array: np.ndarray) -> np.ndarray:
    """The pixels of an array as uint8 (H, W), (H, W, 3) or (H, W, 4).

    Raises:
        ValueError: the array is not a picture.
    """
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (3, 4))) or not array.size:
        raise ValueError(
            f"an array of shape {array.shape}, where (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) is a picture"
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return (array >> 8).astype(np.uint8)
    if array.dtype.kind == "f" and np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1:
        return np.rint(array.astype(np.float64) * 255).astype(np.uint8)
    raise ValueError(f"{array.dtype} pixels, where uint8, uint16, or floats from 0 to 1 are read")


def _decoded(opened: Callable[[], Image.Image], path: str, how: str, size: int) -> Seen:
    try:
        with _without_limit_of_pillow(), warnings.catch_warnings(), opened() as image:
            warnings.simplefilter(
                "ignore"
            )  # what Pillow would do otherwise with a picture is no news for whoever searches
            is_oblong = image.width != image.height
            return np.asarray(_fitted(image, how, size)), is_oblong
    except MemoryError as error:
        raise DataError(
            f"cannot read image: {path}: out of memory. Free some and run the same command again."
        ) from error
    except Exception as error:  # Pillow's decoders raise a dozen kinds for damaged files, down to struct.error
        if getattr(error, "errno", None) in SYSTEMS:
            raise DataError(f"cannot read image: {path}: {reason(error)}. Run the same command again.") from error
        raise BadImageError(path, reason(error)) from error


@contextlib.contextmanager
def _without_limit_of_pillow() -> Iterator[None]:
    """Switch off Pillow's own limit on pixels (89 million: warning, 179 million: refusal) for the block.

    `_check_size` checks the size instead, with a higher limit for JPEG files, which can be decoded smaller.
    """
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def reason(error: Exception) -> str:
    """The reason of an error in words. The path that the system's messages repeat is left out."""
    if isinstance(error, UnidentifiedImageError):
        return f"no {NAMES}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _fitted(image: Image.Image, how: str, size: int) -> Image.Image:
    """Decode an image whose header alone was read so far into RGB of size x size pixels.

    Raises:
        ValueError: the image is larger than its limit, or its pixels have no known range.
    """
    _check_size(image)
    if image.size != (size, size):
        image.draft(None, (2 * size, 2 * size))  # a JPEG can be decoded at an eighth of its size, and many times faster
    image = _eight_bits(_upright(image))
    if image.mode != "RGB":
        image = image.convert("RGB")
    return image if image.size == (size, size) else _resized(image, how, size)


def _resized(image: Image.Image, how: str, size: int) -> Image.Image:
    """Resize an image to size x size pixels. For a square image all values of `how` give the same result."""
    width, height = image.size
    if how == PAD and width != height:
        return ImageOps.pad(image, (size, size), Image.Resampling.BILINEAR)
    side = min(width, height) if how == CROP else 0
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side) if side else None
    return image.resize((size, size), Image.Resampling.BILINEAR, box)


def _check_size(image: Image.Image) -> None:
    """Raise ValueError if an image has more pixels than its limit."""
    limit = JPEG_LIMIT if image.format in ("JPEG", "MPO") else PIXEL_LIMIT
    if image.width * image.height > limit:
        raise ValueError(f"{image.width} x {image.height} pixels where {limit} are allowed")


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image with 8 bits per pixel: of 16 bits the upper eight, which Pillow's `convert` would clip to white.

    Raises:
        ValueError: the range of the pixels is not known (floats, or integers of more than 16 bits).
    """
    if image.mode == "F":
        raise ValueError("floating-point pixels, whose range is not known: save it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    pixels = np.asarray(image)
    if pixels.min() < 0 or pixels.max() >= 1 << 16:
        raise ValueError("32-bit pixels, whose range is not known: save it with 8 or 16 bits")
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def _upright(image: Image.Image) -> Image.Image:
    """The image turned upright by its EXIF orientation, if it has one, as photos of phones often do."""
    image.load()  # outside of the try block, so that a damaged picture is refused
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
    """Give a process its share of strips, and wait for it. Each line of its output is the result of a strip or an error."""
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
    """Run as one of the decoding processes: read strips from stdin, and write one line for each to stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a killed parent ends it too, quietly
    try:
        for strip in json.load(sys.stdin):
            print(json.dumps({"bad": _decode_strip(strip), "done": len(strip[-1])}), flush=True)
    except (DataError, StorageError) as error:
        print(json.dumps({"error": error.kind, "text": str(error)}), flush=True)


if __name__ == "__main__":
    _serve()
