"""Check whether the results of a run still follow from its ledger, without computing them again.

The file results.stamp holds what was printed, and a hash of the program, of the result files, and of all that the results follow
from. The file may be deleted like every other derived file. This module is quick to import: it does not load pandas.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from search.run.identity import sources
from trainables.errors import ExpectedError
from trainables.files import durable

FILE = "results.stamp"
LEDGERS = ("run.json", "totals.jsonl", "trials.jsonl", "decisions.jsonl", "tests.jsonl", "notes.md")
DERIVED = ("results.md", "results.csv", "results.json")
OF_TRIALS = ("epochs.jsonl", "val.npz", "error.txt", "timing.jsonl", "repeated.jsonl")
PLOT = re.compile(rb"\]\((plots/[a-z_]+\.svg)\)")  # as results.md links to one


def put(run: Path, shown: str) -> None:
    """Record that the results of a run are up to date, and what was printed.

    Nothing is recorded if a plot is missing, so that the plot is tried again.

    Raises:
        StorageError: the disk refused.
    """
    if all((run / name.decode()).is_file() for name in PLOT.findall((run / "results.md").read_bytes())):
        durable.write_json(run / FILE, {"sha256": digest(run), "shown": shown})


def shown(run: Path) -> str | None:
    """The text that was printed when the results were last complete; None if what they follow from has changed."""
    try:
        record = durable.read_json(run / FILE)
    except ExpectedError:
        return None
    text: str | None = record.get("shown") if record.get("sha256") == digest(run) else None
    return text


def digest(run: Path) -> str:
    """A hash of the name of a run, its ledgers and results, and the sources of the program."""
    found = hashlib.sha256(
        f"{run.resolve().name} {[sources(name) for name in ('search', 'trainables', 'analysis')]}".encode()
    )
    for path in files(run):
        content = path.read_bytes() if path.is_file() else b""
        found.update(f"\n{path.relative_to(run)} {len(content)}\n".encode() + content)
    return found.hexdigest()


def files(run: Path) -> Iterator[Path]:
    yield from (run / name for name in (*LEDGERS, *DERIVED))
    yield from sorted((run / "plots").glob("*.svg"))
    for folder in sorted((run / "trials").glob("*")):
        yield from (folder / name for name in OF_TRIALS)
