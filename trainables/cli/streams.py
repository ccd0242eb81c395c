"""Standard streams that never fail: a closed stream is opened on /dev/null, and a failed write is recorded and not raised.

So a search that takes a night goes on after its terminal was closed, or when the disk of its log is full.
"""

import codecs
import contextlib
import errno
import io
import os
import select
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

READER_GONE = (errno.EPIPE, errno.ECONNRESET)  # the reader has closed the pipe, as `| head` does
ERRORS = "legible"  # the error handler of our streams for characters that their encoding lacks


class Lasting(io.FileIO):
    """A descriptor whose writes never raise an OSError. The first error is kept in `refusal`. Writes wait for a full pipe."""

    def __init__(self, descriptor: int, *, closefd: bool = False) -> None:
        super().__init__(descriptor, "wb", closefd=closefd)
        self.refusal: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            while (written := super().write(data)) is None:
                select.select([], [self], [])
        except OSError as error:
            self.refusal = self.refusal or error
            return len(data)
        return written


def hold() -> None:
    """Replace the standard streams by lasting ones. Streams that other code has replaced already are left alone."""
    for descriptor in (0, 1, 2):
        open_if_closed(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    if sys.stdout is sys.__stdout__:
        sys.stdout = lasting(1, sys.__stdout__)
    if sys.stderr is sys.__stderr__:
        sys.stderr = lasting(2, sys.__stderr__)


def open_if_closed(descriptor: int) -> None:
    """Open a closed standard descriptor on /dev/null. Otherwise the next file would get its number and our output."""
    try:
        os.fstat(descriptor)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
        os.set_inheritable(nowhere, True)


def lasting(descriptor: int, like: TextIO | None, *, closefd: bool = False) -> io.TextIOWrapper:
    """A text stream on a Lasting descriptor, with the encoding and buffering of the stream `like`."""
    if like is not None:
        like.flush()
    whole = io.BufferedWriter(Lasting(descriptor, closefd=closefd))
    return io.TextIOWrapper(
        whole, like.encoding if like else "utf-8", ERRORS,
        line_buffering=getattr(like, "line_buffering", True), write_through=getattr(like, "write_through", False),
    )  # fmt: skip


def refusal() -> OSError | None:
    """The error of a failed write to stdout, or None; None also if the reader or the terminal has gone."""
    sys.stdout.flush()
    error = getattr(raw_of(sys.stdout), "refusal", None)
    return None if error is None or is_gone(error) else error


def raw_of(stream: TextIO) -> object:
    return getattr(getattr(stream, "buffer", None), "raw", None)


def is_gone(error: OSError) -> bool:
    """Whether an error means that nobody reads stdout: a pipe's reader has gone, or the terminal was closed."""
    return error.errno in READER_GONE or (error.errno == errno.EIO and stat.S_ISCHR(os.fstat(1).st_mode))


@contextlib.contextmanager
def into(path: Path) -> Iterator[None]:
    """Append everything that this process writes to stdout and stderr in the block to a file, also from native code.

    Failed writes to the file are lost, and do not count as errors of the streams.
    """
    streams = sys.stdout, sys.stderr
    flush(*streams)
    before = [getattr(raw_of(stream), "refusal", None) for stream in streams]
    with path.open("ab") as file:
        kept = os.dup(1), os.dup(2)
        for target in (1, 2):
            os.dup2(file.fileno(), target)
    try:
        yield
    finally:
        flush(*streams)
        for target, original in enumerate(kept, 1):
            os.dup2(original, target)
            os.close(original)
        for stream, error in zip(streams, before, strict=True):
            raw = raw_of(stream)
            if isinstance(raw, Lasting):
                raw.refusal = error


def flush(*streams: TextIO) -> None:
    """Flush streams. If the flush of a stream fails, its descriptor is led to /dev/null and its buffer is dropped."""
    for stream in streams:
        try:
            stream.flush()
        except OSError:
            with open(os.devnull, "w") as nowhere, contextlib.suppress(OSError):  # noqa: PTH123
                os.dup2(nowhere.fileno(), stream.fileno())
                stream.flush()


def legible(error: UnicodeError) -> tuple[str, int]:
    """Handle an encoding error: letters, digits and raw bytes become escapes, so names stay distinct; others become "?"."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(escaped, error.object[error.start : error.end])), error.end


def with_bytes(text: str) -> str:
    """A text in which bytes that are not UTF-8, as in file names, are written as escapes, so that it can be encoded."""
    return text if text.isprintable() else "".join(escaped(each) if is_byte(each) else each for each in text)


def is_byte(character: str) -> bool:
    """Whether a character is a surrogate escape, by which Python keeps a byte of a file name that is not UTF-8."""
    return "\udc80" <= character <= "\udcff"


def escaped(character: str) -> str:
    if is_byte(character):
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("ascii", "backslashreplace").decode() if character.isalnum() else "?"


codecs.register_error(ERRORS, legible)
