"""Keep the measurements: a table for each part in benchmarks/tables/, and all tables together in benchmarks/RESULTS.md.

A part measures and calls `keep`. To fill a table in several sittings, a part reads the old table with `load`; `joined` then
replaces old rows by new rows with the same key.
"""

import datetime
import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from tabulate import tabulate

FOLDER = Path(__file__).parent / "tables"
RESULTS = Path(__file__).parent / "RESULTS.md"
PARTS = {
    "search": 300, "floor": 10, "overhead": 10, "program": 2, "start": 5, "scale": 5, "data": 5, "pictures": 10,
    "durability": 15, "answer": 90, "finished": 10, "leaderboard": 10, "precision": 25, "replay": 1,
}  # in the order of RESULTS.md, each with its minutes on two cores  # fmt: skip
BFLOAT16 = {"avx512_bf16": "AVX512-BF16", "amx_bf16": "AMX-BF16"}
HEAD = """# What was measured

`python -m benchmarks` measures it and writes this file; `--list` names the parts. Ratios are of sides measured in turn on one
machine; the machines are shared and noisy, so a single time means little. Several runs are given as median (minimum to maximum).
"""


@dataclass(frozen=True)
class Table:
    """One part of the suite.

    Attributes:
        name: the name of the part and of its file in benchmarks/tables/, such as "search".
        command: the command that measures the table again.
        machine: processor, cores and versions, as `machine()` returns them.
        date: the date of the newest row, such as 2026-11-22.
        rows: a list of texts for each row, with one text for each column.
        aim, reached: the aim and the measured result, one sentence each; empty if there is no aim.
        notes: Markdown below the table.
    """

    name: str
    title: str
    command: str
    columns: list[str]
    rows: list[list[str]]
    aim: str = ""
    reached: str = ""
    notes: str = ""
    machine: str = field(default_factory=lambda: machine())
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())


def keep(table: Table, folder: Path = FOLDER, results: Path = RESULTS) -> None:
    """Save a table, write RESULTS.md again and print the table."""
    folder.mkdir(exist_ok=True)
    (folder / f"{table.name}.json").write_text(json.dumps(asdict(table), indent=1, ensure_ascii=False) + "\n")
    results.write_text(document(folder))
    print(rendered(table), flush=True)


def load(name: str, folder: Path = FOLDER) -> Table | None:
    """Read a saved table; None if there is none."""
    path = folder / f"{name}.json"
    return Table(**json.loads(path.read_text())) if path.exists() else None


def joined(old: Sequence[list[str]], new: Sequence[list[str]], key: int = 1) -> list[list[str]]:
    """Replace old rows by new rows with the same first `key` cells; new rows stand where the first of these was, or last."""
    keys = [row[:key] for row in new]
    kept = [row for row in old if row[:key] not in keys]
    before = next((place for place, row in enumerate(old) if row[:key] in keys), len(kept))
    return [*kept[:before], *new, *kept[before:]]


def document(folder: Path = FOLDER) -> str:
    """The text of RESULTS.md: every table of the folder, first the parts in the order of PARTS, then other tables."""
    there = {path.stem for path in folder.glob("*.json")}
    names = [*(name for name in PARTS if name in there), *sorted(there - set(PARTS))]
    return "\n".join([HEAD, *(rendered(table) for name in names if (table := load(name, folder)))])


def rendered(table: Table) -> str:
    """A table as Markdown: title, command, rows, aim with the result, notes."""
    rows = tabulate(table.rows, table.columns, "pipe", disable_numparse=True) if table.rows else ""
    aim = f"Aim: {table.aim} Reached: {table.reached}" if table.aim else ""
    head = f"## {table.title}\n\n`{table.command}`, {table.date}, {table.machine}."
    return "\n\n".join(part for part in (head, rows, aim, table.notes) if part) + "\n"


def spread(values: Sequence[float], unit: str = "s", digits: int = 2) -> str:
    """Median (minimum to maximum) of values with a unit; a single value is given alone."""
    middle, low, high = (f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} {unit} ({low} to {high})" if len(values) > 1 else f"{middle} {unit}"


def machine() -> str:
    """The processor with its cores and bfloat16 instructions, and the versions of Python, torch and Ray."""
    versions = f"Python {platform.python_version()}, torch {version('torch')}, Ray {version('ray')}"
    return f"{len(os.sched_getaffinity(0))} cores of {cpu().get('model name', '?')} ({bfloat16()}), {versions}"


def bfloat16() -> str:
    """The processor's bfloat16 instructions in words; "no bfloat16" if there are none."""
    flags = cpu().get("flags", "").split()
    return " and ".join(title for flag, title in BFLOAT16.items() if flag in flags) or "no bfloat16"


def cpu() -> dict[str, str]:
    """The entries of /proc/cpuinfo for the last core."""
    pairs = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
