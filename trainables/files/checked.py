"""Files with a sidecar that holds their sha256. A file without a sidecar, or with another sha256, counts as damaged."""

import hashlib
from pathlib import Path
from typing import Any

from trainables.errors import RunError
from trainables.files.atomic import write
from trainables.files.json_lines import read_json, write_json
from trainables.files.refusals import told


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_checked(path: Path, data: bytes, **facts: Any) -> None:
    """Write data, then a sidecar (.json) with the sha256 of the data and with facts."""
    write(path, data)
    write_json(path.with_suffix(".json"), {"sha256": sha256(data), **facts})


def read_checked(path: Path) -> bytes:
    """The content of a file written by write_checked.

    Raises:
        RunError: the file or its sidecar cannot be read, or the content has another sha256.
    """
    expected = read_json(path.with_suffix(".json")).get("sha256")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read: {path}: {error.strerror}. Restore it from a copy.") from error
    if sha256(data) != expected:
        raise RunError(f"damaged file: {path}: its sha256 is not the recorded one. Restore it from a copy.")
    return data


def remove_checked(path: Path) -> None:
    """Remove a file and its sidecar. The sidecar goes first, so that no sidecar is left without its file."""
    with told(path):
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def states(folder: Path) -> list[Path]:
    """The resume states of a trial folder, newest first."""
    with told(folder):
        found = folder.glob("state-*.pt")
        return sorted((path for path in found if path.stem.removeprefix("state-").isdecimal()), reverse=True)


def remove_states(folder: Path) -> None:
    """Remove all resume states of a trial that will not continue, and sidecars without a state.

    Such a sidecar is left if a worker was still writing a state during an earlier removal.
    """
    with told(folder):
        found = {path.with_suffix(".pt") for path in folder.glob("state-*") if path.suffix in (".pt", ".json")}
    for path in found:
        remove_checked(path)
