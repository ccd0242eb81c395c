"""Copy results.md to where the user wants it, with prefixed links, but never over a foreign file. Quick to import."""

import os
import re
from pathlib import Path
from urllib.parse import quote

from trainables.errors import DeniedError, RunError, StorageError
from trainables.files import durable
from trainables.files.atomic import no_file

MARKER = "<!-- written by run_search.py:"  # the first line of every results.md that is ours to replace
ELSEWHERE = "Name another place for this copy of the leaderboard: --results OTHER."
NOTES = "Notes"  # heads the user's own words, which end the file
_OWN_LINK = re.compile(r"\]\((?=trials/|plots/|results\.)")  # no foreign text holds one: its brackets are escaped


def copy_results(run_folder: Path, target: Path) -> None:
    """Copy results.md to target. The links of the copy start with the relative path from its folder to the run folder.

    A symbolic link at target is replaced, never followed.

    Raises:
        RunError: there is no results.md to copy.
        StorageError: target is not a file of ours, or the disk refused; target stays as it was.
    """
    refuse_foreign(run_folder, target)
    source = run_folder / "results.md"
    try:
        text = source.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(
            f"cannot read: {source}: {error}. Rebuild it: python -m analysis leaderboard {run_folder}."
        ) from error
    durable.make_folder(target.parent)
    durable.write(target, with_links(text, way(run_folder, target.parent)).encode())


def refuse_foreign(run_folder: Path, target: Path) -> None:
    """Make sure that target is absent, a link to a file or folder, or a file that starts with our marker.

    Raises:
        StorageError: target is something else.
    """
    kind = no_file(target)
    if kind is None and (target.is_symlink() or not target.exists() or is_ours(target)):
        return
    kind = kind or "something that run_search.py did not write"
    safe = f"The results are safe in {run_folder}. " if (run_folder / "results.md").is_file() else ""
    raise StorageError(f"not replaced: {target}: it is {kind}. {safe}{ELSEWHERE}")


def refuse_denied(target: Path) -> None:
    """Check before any training whether the copy can be written.

    Raises:
        DeniedError: the folder of the copy, or the nearest folder above that exists, may not be written to.
    """
    place = next(folder for folder in target.absolute().parents if folder.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        raise DeniedError(f"cannot write: {target}: {place} may not be written to. {ELSEWHERE}")


def is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.readline(1000).startswith(MARKER.encode())
    except OSError:
        return False  # what cannot be read cannot be known to be ours


def way(run_folder: Path, start: Path) -> str:
    """The quoted relative path from the folder `start` to the run folder; empty if both are the same folder."""
    relative = os.path.relpath(run_folder.resolve(), start.resolve())
    return "" if relative == "." else quote(os.fsencode(relative)) + "/"


def with_links(text: str, prefix: str) -> str:
    """Prefix the links in our part of a text. The user's notes at the end of the text stay word for word."""
    ours, heading, notes = text.partition(f"\n## {NOTES}\n")
    return _OWN_LINK.sub(f"]({prefix}", ours) + heading + notes
