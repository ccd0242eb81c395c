"""Every durable write of the project, and the reader that trusts nothing.

A write is durable when it survives a power cut: write to a temporary file, fsync it, rename it over the final name,
fsync the folder. A ledger line is a single append and an fsync. Strict JSON throughout: no NaN, no Infinity.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trainables.errors import DeniedError, LockedError, RunError, StorageError

Record = dict[str, Any]

NO_LOCKS = (
    errno.ENOSYS,
    errno.ENOLCK,
    errno.EOPNOTSUPP,
    errno.ENOTSUP,
)  # what flock says on a file system without locks
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
FULL = (errno.ENOSPC, errno.EDQUOT)
NEXT = {  # step after a refused write; that of a full disk says how much
    errno.EACCES: "This user may not write there: name another place, or have its owner allow it.",
    errno.EPERM: "This user may not write there: name another place, or have its owner allow it.",
    errno.EROFS: "Nobody may write there: name another place.",
    errno.EFBIG: "Files may not grow so large: raise the limit (ulimit -f), then run the same command again.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n), then run the same command again.",
    errno.ENAMETOOLONG: "Name a shorter path.",
    errno.EEXIST: "Name another place.",
    errno.ENOTDIR: "Name another place.",
    errno.EISDIR: "Name another place.",
}
KINDS = {  # of what is no file, as it stands in an error
    stat.S_IFDIR: "a folder", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}  # fmt: skip


def write(path: Path, data: bytes) -> None:
    """Replace path by data: afterwards the old or the new content is there, never a mixture. A link to a file is replaced.

    Raises:
        StorageError: the disk refused; path still holds its old content, or all of the new if only the folder failed. Or path
            is a device, a pipe, a socket or a folder, which nothing replaces.
    """
    if kind := no_file(path):
        raise StorageError(f"not replaced: {path}: it is {kind}. Name a file.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise storage_error(path, error, len(data)) from error


def no_file(path: Path) -> str | None:
    """What stands there, if a rename must not replace it: no regular file, or a link of the system, as /dev/stdout is one.

    Any other link is replaced, whether it leads to a file, to a folder or nowhere.
    """
    try:
        if path.is_symlink() and of_system(path.parent.resolve()):
            return "a link of the system"
        mode = path.stat().st_mode
    except OSError:
        return None
    may_go = stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and path.is_symlink())
    return None if may_go else KINDS.get(stat.S_IFMT(mode), "no file")


def of_system(folder: Path) -> bool:
    """Whether a folder holds devices and not files."""
    return folder.parts[1:2] in (("dev",), ("proc",), ("sys",)) and folder.parts[1:3] != ("dev", "shm")


def write_json(path: Path, record: Record) -> None:
    """Write one JSON object durably, indented for reading."""
    write(path, (json.dumps(record, indent=2, allow_nan=False) + "\n").encode())


def append(path: Path, *records: Record, sync: bool = True) -> None:
    """Append records as lines of JSON in a single write, then fsync unless told not to. A torn last line is cut off first.

    Raises:
        StorageError: the disk refused; the file ends where it ended before.
    """
    data = b"".join(json.dumps(record, allow_nan=False).encode() + b"\n" for record in records)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            end = _end_of_last_line(descriptor)
            if end == 0 and sync:  # the name first, and again if whoever created the file was killed before this
                sync_folder(path.parent)
            _append_to(descriptor, data, end, sync)
        finally:
            with contextlib.suppress(OSError):  # what was synced stays, whatever close says
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
    """Offset just after the last newline; read backwards, so that a long ledger costs nothing."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 4096)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def read_lines(path: Path) -> list[Record]:
    """The committed records of a ledger; none if there is no file. An unfinished last line is not a record.

    Raises:
        RunError: any other line that is not a strict JSON object, named by file and number.
        StorageError: the disk refused to read.
    """
    lines = committed(path).split(b"\n")[:-1]
    with contextlib.suppress(ValueError, RecursionError):
        records = [_quick(line) for line in lines]
        if set(map(type, records)) <= {dict}:
            return records
    return [parse(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]  # which has the last word


def read_last_with(path: Path, key: str, value: int, block: int = 1 << 16) -> Record | None:
    """The last record of a ledger of flat ones in which this key has this value; none if there is none.

    Looked for from the end, in more and more of the file, so that of a long ledger only what was added lately is read.

    Raises:
        RunError: it is not a strict JSON object.
        StorageError: the disk refused to read.
    """
    mark = f'"{key}": {value},'.encode()  # as append writes it, but for a last key
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
    """The last so many bytes of a ledger, without an unfinished last line, and whether that is all of it."""
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - size)
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return b"", True
    except OSError as error:
        raise _unreadable(path, error) from error
    return data[: data.rfind(b"\n") + 1], start == 0


def _parse_of(path: Path, line: bytes) -> Record:
    """A line of a ledger whose number is looked up only if it is damaged."""
    try:
        return parse(line, str(path))
    except RunError:
        read_lines(path)
        raise


def committed(path: Path) -> bytes:
    """The whole lines of a ledger; nothing if there is no file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _unreadable(path, error) from error
    return data[: data.rfind(b"\n") + 1]  # what follows the last newline was never committed


def _unreadable(path: Path, error: OSError) -> StorageError:
    step = "Have its owner allow it." if error.errno in DENIED else "Run the same command again."
    return StorageError(f"cannot read: {path}: {error.strerror}. {step}")


def read_json(path: Path) -> Record:
    """The single JSON object of a file.

    Raises:
        RunError: the file is missing or not a strict JSON object.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        step = "Have its owner allow it." if error.errno in DENIED else "Check the name of the run."
        raise RunError(f"cannot read: {path}: {error.strerror}. {step}") from error
    return parse(data, str(path))


def parse(data: bytes, where: str) -> Record:
    """One strict JSON object; `where` names it in the error."""
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
with contextlib.suppress(ImportError):  # where there is little but torch, trials run all the same
    from orjson import loads as _quick


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_checked(path: Path, data: bytes, **facts: Any) -> None:
    """Write data, then a sidecar (.json) with its sha256 and facts. Without a sidecar the file does not count."""
    write(path, data)
    write_json(path.with_suffix(".json"), {"sha256": sha256(data), **facts})


def read_checked(path: Path) -> bytes:
    """The content of a file written by write_checked.

    Raises:
        RunError: the file or its sidecar is missing, or the content is not what was written.
    """
    expected = read_json(path.with_suffix(".json")).get("sha256")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read: {path}: {error.strerror}. An older state is tried.") from error
    if sha256(data) != expected:
        raise RunError(f"damaged file: {path}: its sha256 is not the recorded one. An older state is tried.")
    return data


def remove_checked(path: Path) -> None:
    """Remove a file and its sidecar, sidecar first, so that no sidecar ever names a missing file."""
    with _told(path):
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def states(folder: Path) -> list[Path]:
    """The resume states of a trial folder, newest first."""
    with _told(folder):
        return sorted(folder.glob("state-*.pt"), reverse=True)


def remove_states(folder: Path) -> None:
    """Drop the resume states of a trial that will not go on."""
    for path in states(folder):
        remove_checked(path)


def sweep(folder: Path) -> None:
    """Remove the temporary files that a killed process left behind."""
    with _told(folder):
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create a folder and those it lies in, and make their names durable.

    Args:
        mode: of a new folder, as far as the umask lets it.

    Raises:
        StorageError: the disk refused.
    """
    with _told(folder):
        missing = [parent for parent in folder.parents if not parent.exists()]
        folder.mkdir(mode, parents=True, exist_ok=True)
        for created in (folder, *missing):
            sync_folder(created.parent)


def lock(descriptor: int) -> bool | None:
    """Lock an open file without waiting: whether it is ours now, or None where the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return None
    return True


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder exclusively. The kernel lets go of it when the process ends, however it ends.

    The lock is on a file in it, which stays: the locks of folders are not shared between machines on NFS.

    Raises:
        LockedError: another process holds it.
        StorageError: the lock cannot be made.
    """
    with _told(folder):
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with _told(folder):
            is_ours = lock(descriptor)
        if is_ours is False:
            raise LockedError(f"in use: {folder}: another process works on it. Wait for it to end.")
        yield
    finally:
        with contextlib.suppress(OSError):  # or it would hide the error that ended the work
            os.close(descriptor)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the disk refuses becomes a StorageError that names the path."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error, 0) from error


def storage_error(path: Path, error: OSError, size: int) -> StorageError:
    """What an OSError of a write means to a person, and the step that fits it."""
    why = f"cannot write: {path}: {error.strerror}"
    if error.errno in DENIED:
        return DeniedError(f"{why}. {NEXT[error.errno]}")
    if error.errno in FULL:
        return StorageError(
            f"{why}. Free {max(1, size >> 20)} MiB or more, then run the same command again; nothing is lost."
        )
    step = NEXT.get(error.errno or 0, "Check the disk, then run the same command again; nothing is lost.")
    return StorageError(f"{why}. {step}")
