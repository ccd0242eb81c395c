"""Standard streams never cost the work: one that is absent leads nowhere, and what one refuses is remembered, not raised.

A search that takes a night may well end after its terminal has gone, or when the disk of its log is full.
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

READER_GONE = (errno.EPIPE, errno.ECONNRESET)  # `| head` has seen enough
ERRORS = "legible"  # how our streams write what their encoding lacks


class Lasting(io.FileIO):
    """A descriptor that takes whatever is written. The first refusal is kept; a full pipe that does not wait is waited for."""

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
    """Have lasting standard streams from now on. Streams that somebody put in their place are left alone."""
    for descriptor in (0, 1, 2):
        open_if_closed(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    if sys.stdout is sys.__stdout__:
        sys.stdout = lasting(1, sys.__stdout__)
    if sys.stderr is sys.__stderr__:
        sys.stderr = lasting(2, sys.__stderr__)


def open_if_closed(descriptor: int) -> None:
    """Lead a standard descriptor nowhere if it is closed: the next file would get its number, and our words with it."""
    try:
        os.fstat(descriptor)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, so this one
        os.set_inheritable(nowhere, True)


def lasting(descriptor: int, like: TextIO | None, *, closefd: bool = False) -> io.TextIOWrapper:
    """A text stream on a descriptor that takes whatever is written, with encoding and buffering like another one's."""
    if like is not None:
        like.flush()
    whole = io.BufferedWriter(Lasting(descriptor, closefd=closefd))
    return io.TextIOWrapper(
        whole, like.encoding if like else "utf-8", ERRORS,
        line_buffering=getattr(like, "line_buffering", True), write_through=getattr(like, "write_through", False),
    )  # fmt: skip


def refusal() -> OSError | None:
    """Why something that was written on stdout did not arrive, unless its reader or its terminal has gone."""
    sys.stdout.flush()
    error = getattr(raw_of(sys.stdout), "refusal", None)
    return None if error is None or is_gone(error) else error


def raw_of(stream: TextIO) -> object:
    return getattr(getattr(stream, "buffer", None), "raw", None)


def is_gone(error: OSError) -> bool:
    """Nobody is there to read stdout: the reader of a pipe has left, or the terminal was closed."""
    return error.errno in READER_GONE or (error.errno == errno.EIO and stat.S_ISCHR(os.fstat(1).st_mode))


@contextlib.contextmanager
def into(path: Path) -> Iterator[None]:
    """Send all that this process writes on stdout and stderr, that of native code included, to the end of a file.

    What the file refuses is lost, and is no refusal of the streams.
    """
    streams = sys.stdout, sys.stderr
    flush(*streams)
    kept = os.dup(1), os.dup(2)
    before = [getattr(raw_of(stream), "refusal", None) for stream in streams]
    with path.open("ab") as file:
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
    """Write out what streams have kept; if the disk refuses what one that is not ours has, it is dropped."""
    for stream in streams:
        try:
            stream.flush()
        except OSError:
            with open(os.devnull, "w") as nowhere, contextlib.suppress(OSError):  # noqa: PTH123
                os.dup2(nowhere.fileno(), stream.fileno())
                stream.flush()


def legible(error: UnicodeError) -> tuple[str, int]:
    """For an encoding error: letters and undecodable bytes as escapes, so that names stay distinct; signs as a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(escaped, error.object[error.start : error.end])), error.end


def with_bytes(text: str) -> str:
    """A text in which bytes of a file's name that are no UTF-8 are written out, so that it can be encoded."""
    return text if text.isprintable() else "".join(escaped(each) if is_byte(each) else each for each in text)


def is_byte(character: str) -> bool:
    """Whether it stands for a byte that is no text, as Python keeps it in the names of files."""
    return "\udc80" <= character <= "\udcff"


def escaped(character: str) -> str:
    if is_byte(character):
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("ascii", "backslashreplace").decode() if character.isalnum() else "?"


codecs.register_error(ERRORS, legible)
