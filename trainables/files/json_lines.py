"""Strict JSON in files: one object in a file, or a ledger with one object a line, to which lines are only appended.

An append is one write and one fsync. An incomplete last line was never committed. NaN and Infinity are refused.
"""

import contextlib
import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainables.errors import RunError
from trainables.files.atomic import sync_folder, write
from trainables.files.refusals import DENIED, storage_error, unreadable

Record = dict[str, Any]


def write_json(path: Path, record: Record) -> None:
    """Write one JSON object durably, indented for reading."""
    write(path, (json.dumps(record, indent=2, allow_nan=False) + "\n").encode())


def append(path: Path, *records: Record, sync: bool = True) -> None:
    """Append records as lines of JSON in a single write, then fsync if `sync`. An incomplete last line is cut off first.

    Raises:
        StorageError: the write failed; the committed lines of the file are unchanged.
    """
    data = b"".join(json.dumps(record, allow_nan=False).encode() + b"\n" for record in records)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            end = _end_of_last_line(descriptor)
            if end == 0 and sync:  # the file may be new, or its creator was killed before this
                sync_folder(path.parent)
            _append_to(descriptor, data, end, sync)
        finally:
            with contextlib.suppress(OSError):  # synced bytes stay, even if close fails
                os.close(descriptor)
    except OSError as error:
        raise storage_error(path, error, len(data)) from error


def _append_to(descriptor: int, data: bytes, end: int, sync: bool) -> None:
    os.ftruncate(descriptor, end)
    try:
        if os.pwrite(descriptor, data, end) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if sync:
            os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, end)
        raise


def _end_of_last_line(descriptor: int) -> int:
    """The offset after the last newline. The file is read backwards, so a long ledger takes no more time."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 4096)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def read_lines(path: Path) -> list[Record]:
    """The committed records of a ledger; empty if there is no file. An incomplete last line is not a record.

    Raises:
        RunError: a committed line is not a strict JSON object; the message names file and line.
        StorageError: the file cannot be read.
    """
    lines = committed(path).split(b"\n")[:-1]
    with contextlib.suppress(ValueError, RecursionError):
        records = [_quick(line) for line in lines]
        if set(map(type, records)) <= {dict}:
            return records
    return [parse(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]  # strict, and names the bad line


def read_last_with(path: Path, key: str, value: int, block: int = 1 << 16) -> Record | None:
    """The last record of a ledger whose `key` has this value; None if there is no such record.

    The records must be flat, and `key` must not be their last key. The file is read from its end in growing blocks, so a recent
    record of a long ledger is found quickly.

    Raises:
        RunError: the line that was found is not a strict JSON object.
        StorageError: the file cannot be read.
    """
    mark = f'"{key}": {value},'.encode()  # as append writes a key that is not the last one
    while True:
        data, is_whole = end_of(path, block)
        at = data.rfind(mark)
        start = data.rfind(b"\n", 0, max(at, 0)) + 1  # 0: the line may have begun before
        if at >= 0 and (start or is_whole):
            return _parse_of(path, data[start : data.index(b"\n", at)])
        if is_whole:
            return None
        block *= 4


def end_of(path: Path, size: int) -> tuple[bytes, bool]:
    """The last `size` bytes of a ledger without an incomplete last line, and whether they reach back to its start."""
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - size)
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return b"", True
    except OSError as error:
        raise unreadable(path, error) from error
    return data[: data.rfind(b"\n") + 1], start == 0


def _parse_of(path: Path, line: bytes) -> Record:
    """The record of a ledger's line. If the line is damaged, the whole ledger is read for an error with its line number."""
    try:
        return parse(line, str(path))
    except RunError:
        read_lines(path)
        raise


def committed(path: Path) -> bytes:
    """The bytes of all complete lines of a ledger; empty if there is no file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise unreadable(path, error) from error
    return data[: data.rfind(b"\n") + 1]  # what follows the last newline was never committed


def read_json(path: Path) -> Record:
    """The single JSON object of a file.

    Raises:
        RunError: the file cannot be read, or it is not a strict JSON object.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        step = "Have its owner allow it." if error.errno in DENIED else "Check the name of the run."
        raise RunError(f"cannot read: {path}: {error.strerror}. {step}") from error
    return parse(data, str(path))


def parse(data: bytes, where: str) -> Record:
    """Parse one strict JSON object; `where` names its place in the error.

    Raises:
        RunError: `data` is not a strict JSON object.
    """
    try:
        record = _strictly(data)
    except (ValueError, RecursionError) as error:
        raise RunError(f"damaged record: {where}: {error}. Restore the file from a copy.") from error
    if not isinstance(record, dict):
        raise RunError(f"damaged record: {where}: not a JSON object. Restore the file from a copy.")
    return record


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is not allowed")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value


# One decoder for all lines: making it costs more than a line.
_STRICT = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _strictly(data: bytes) -> Any:
    return _STRICT.decode(data.decode())


_quick: Callable[[bytes], Any] = _strictly
with contextlib.suppress(ImportError):  # trials also run without orjson
    from orjson import loads as _quick
