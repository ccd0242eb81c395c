"""The derived files of a run, each whole or not at all: results.md, .csv, .json and plots/."""

import json
from pathlib import Path

from analysis import curves, results
from analysis.joined import all_records
from analysis.leaderboard import as_csv, as_json
from analysis.pictures import Picture, pictures
from analysis.standing import Standing, stand
from search import ledger
from search.ledger import Run
from trainables import durable


def write_results(run_folder: Path) -> None:
    """Read a run and write its derived files.

    Raises:
        RunError: the folder is no run or is damaged.
        StorageError: the disk refused; old files stay as they were.
    """
    write_files(ledger.read(run_folder))


def write_files(run: Run, where: Standing | None = None) -> Standing:
    """Write the derived files of a run; results.md last, because it links to the others. Returns what they rest on.

    Args:
        where: what they rest on, if it is known already.

    Raises:
        StorageError: the disk refused; old files stay as they were.
    """
    where = where or stand(run)
    if where.trials["epochs"].any():
        write_curves(run.folder / results.CURVES, curves.learning_curves(run, where.trials, where.keys))
    for name, picture in pictures(run, where).items():
        write_picture(run.folder / "plots" / f"{name}.svg", name, picture)
    rows = all_records(where)
    durable.write(run.folder / "results.csv", as_csv(rows).encode())
    durable.write(run.folder / "results.json", as_json(rows).encode())
    durable.write(run.folder / "results.md", results.render(run, where).encode())
    return where


def is_stale(run: Run) -> bool:
    """Whether results.md is missing or not what the ledger says."""
    try:
        return (run.folder / "results.md").read_bytes() != results.render(run).encode()
    except FileNotFoundError:
        return True


def write_curves(path: Path, shown: curves.Curves) -> None:
    """Draw the learning curves, unless they are there already."""
    if is_drawn(path, stamp := stamp_of(shown)):
        return
    from analysis import plots

    durable.make_folder(path.parent)
    durable.write(path, plots.learning_curves(shown) + stamp)


def write_picture(path: Path, name: str, picture: Picture) -> None:
    """Draw another plot, unless it is there already."""
    if is_drawn(path, stamp := stamp_of(picture)):
        return
    from analysis import drawings

    durable.make_folder(path.parent)
    durable.write(path, drawings.draw(name, picture) + stamp)


def stamp_of(values: object) -> bytes:
    """Ends a plot: what it was drawn from, and by which sources."""
    sources = b"".join(Path(__file__).with_name(name).read_bytes() for name in ("plots.py", "drawings.py"))
    return f"<!-- drawn from {durable.sha256(sources + json.dumps(values).encode())} -->\n".encode()


def is_drawn(path: Path, stamp: bytes) -> bool:
    """Whether the plot is there and current: importing matplotlib and drawing take a second."""
    return path.is_file() and path.read_bytes().endswith(stamp)
