"""The derived files of a run, each whole or not at all: results.md, .csv, .json, plots/, and the user's copy."""

import json
import os
import re
from pathlib import Path
from urllib.parse import quote

from analysis import curves, frame, results
from analysis.leaderboard import as_csv, as_json, records
from search import ledger
from search.ledger import Run
from trainables import durable
from trainables.errors import RunError, StorageError

_OWN_LINK = re.compile(r"\]\((?=trials/|plots/|results\.)")  # no foreign text holds one: its brackets are escaped


def write_results(run_folder: Path) -> None:
    """Read a run and write its derived files.

    Raises:
        RunError: the folder is no run or is damaged.
        StorageError: the disk refused; old files stay as they were.
    """
    write_files(ledger.read(run_folder))


def write_files(run: Run) -> None:
    """Write the derived files of a run; results.md last, because it links to the others.

    Raises:
        StorageError: the disk refused; old files stay as they were.
    """
    ranked = results.rank(run)
    keys = frame.varied(ranked, [run])
    if ranked["epochs"].any():
        write_curves(run.folder / results.CURVES, curves.learning_curves(run, ranked, keys))
    rows = records(ranked, keys)
    durable.write(run.folder / "results.csv", as_csv(rows).encode())
    durable.write(run.folder / "results.json", as_json(rows).encode())
    durable.write(run.folder / "results.md", results.render(run, ranked).encode())


def write_curves(path: Path, shown: curves.Curves) -> None:
    """Draw the plot, unless it is there already: importing matplotlib and drawing take a second."""
    source = Path(__file__).with_name("plots.py").read_bytes()
    stamp = f"<!-- drawn from {durable.sha256(source + json.dumps(shown).encode())} -->\n".encode()
    if path.is_file() and path.read_bytes().endswith(stamp):
        return
    from analysis import plots

    durable.make_folder(path.parent)
    durable.write(path, plots.learning_curves(shown) + stamp)


def copy_results(run_folder: Path, target: Path) -> None:
    """Copy results.md to target, its links prefixed by the way from there to the run folder.

    A symbolic link is replaced, never followed.

    Raises:
        RunError: there is no results.md to copy.
        StorageError: target is not a file of ours, or the disk refused; it stays as it was.
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
    """Make sure that target is absent, a link, or a file that starts with our marker.

    Raises:
        StorageError: it is something else.
    """
    if target.is_symlink() or not target.exists():
        return
    if target.is_file() and is_ours(target):
        return
    kind = "a folder" if target.is_dir() else "something that run_search.py did not write"
    raise StorageError(
        f"not replaced: {target}: it is {kind}. The results are safe in {run_folder}; use --results OTHER."
    )


def is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.readline(1000).startswith(results.MARKER.encode())
    except OSError:
        return False  # what cannot be read cannot be known to be ours


def way(run_folder: Path, start: Path) -> str:
    """The quoted relative path from a folder to the run; empty if that is the run."""
    relative = os.path.relpath(run_folder.resolve(), start.resolve())
    return "" if relative == "." else quote(relative) + "/"


def with_links(text: str, prefix: str) -> str:
    """text with its own links prefixed; the user's notes at its end stay word for word."""
    ours, heading, notes = text.partition(f"\n{results.NOTES}\n")
    return _OWN_LINK.sub(f"]({prefix}", ours) + heading + notes
