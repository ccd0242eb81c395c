"""Which rows and columns a command prints, and in which order: --filter, --sort, --top, --columns."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.frame import dataframe
from analysis.frame.dataframe import Row
from analysis.ranking.standing import stand
from analysis.render.blocks import Foreign, Paragraph, Table, Words
from analysis.render.markdown import one_line, percent, rendered, setting
from analysis.results.printed import all_rows
from analysis.results.rows import all_records, as_csv, as_json
from analysis.results.sections.leaderboard import worded
from analysis.views.filters import check_kinds, condition, is_fraction, unfulfilled
from search.run.ledger import Run
from trainables.cli.execution import tell
from trainables.config import unknown
from trainables.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The rows and columns that the user asked for; by default all of them."""

    filter: str | None = None  # a condition, see analysis.views.filters
    sort: str | None = None  # a column, with - before it for the largest first
    top: int | None = None  # rows
    columns: str | None = None  # comma-separated columns to print; id is always printed

    def __post_init__(self) -> None:
        if self.top is not None and self.top < 1:
            raise UsageError(f"--top must be at least 1, but got {self.top}.")

    @property
    def is_everything(self) -> bool:
        return self == Selection()


def select(rows: list[Row], selection: Selection) -> list[Row]:
    """The rows that were asked for, in the order and with the columns that were asked for.

    Raises:
        UsageError: no row has one of the columns, or the condition is not understood.
    """
    known = list(dict.fromkeys(str(key) for row in rows for key in row))
    if selection.filter is not None:
        rows = fulfilling(selection.filter, rows, known)
    rows = in_order(rows, selection.sort, known)[: selection.top]
    if selection.columns is None:
        return rows
    wanted = names(selection.columns, known)
    return [{key: row.get(key) for key in wanted} for row in rows]


def fulfilling(text: str, rows: list[Row], known: Sequence[str]) -> list[Row]:
    """The rows that fulfil a condition; if no row does, a note on stderr says which values the rows have instead.

    Raises:
        UsageError: the condition is refused, see `analysis.views.filters.condition` and `check_kinds`.
    """
    fulfils = condition(text, known)
    check_kinds(text, rows)
    found = [row for row in rows if fulfils(row)]
    if not found and (why := unfulfilled(text, rows)):
        tell(f"note: {one_line(why)}\n", sys.stderr)
    return found


def in_order(rows: list[Row], sort: str | None, known: Sequence[str]) -> list[Row]:
    """Sort rows by one column, rows without a value last; rows with equal values keep their order."""
    if sort is None:
        return rows
    column, reverse = sort.removeprefix("-"), sort.startswith("-")
    names(column, known)
    there = [row for row in rows if row.get(column) is not None]
    there.sort(key=lambda row: (isinstance(row[column], str), row[column]), reverse=reverse)
    return there + [row for row in rows if row.get(column) is None]


def names(columns: str, known: Sequence[str]) -> list[str]:
    """The columns in a comma-separated list, each once; a missing `id`, or a missing but known `run`, is put first.

    Raises:
        UsageError: a column is unknown.
    """
    asked = [name.strip() for name in columns.split(",") if name.strip()]
    for name in asked:
        if known and name not in known:
            raise UsageError(unknown("column", name, known))
    identity = [name for name in ("id", "run") if name == "id" or name in known]
    return list(dict.fromkeys([*(name for name in identity if name not in asked), *asked]))


def printed(rows: list[Row], form: str, shown: Sequence[str]) -> str:
    """Rows as md, csv or json; `shown` lists the columns of the md table."""
    if form == "json":
        return as_json(rows)
    return as_csv(rows) if form == "csv" else rendered((as_table(rows, shown),)) + "\n"


def listed(runs: Sequence[Run], form: str, selection: Selection) -> str:
    """The selected part of the leaderboard of one or several runs as md, csv or json, best first unless sorted otherwise."""
    keys = dataframe.varied(dataframe.load(runs), runs)
    origin = ["run"] if len(runs) > 1 else []
    rows = all_records(stand(runs[0])) if len(runs) == 1 else all_rows(runs)
    shown = select(rows, selection)
    values = dict.fromkeys(run.identity.objective.column for run in runs)
    columns = ["rank", "id", *origin, *keys, *values, "best_epoch", "epochs", "status"]
    return printed(
        shown, form, columns if selection.columns is None else [str(key) for key in shown[0]] if shown else []
    )


def as_table(rows: list[Row], columns: Sequence[str]) -> Table | Paragraph:
    """Rows as a table with accuracies in percent; a sentence if there are no rows."""
    if not rows:
        return Paragraph("No row fulfils the condition.")
    header = tuple((Foreign(name), " %" if is_fraction(name) else "") for name in columns)
    align = "".join("l" if any(isinstance(row.get(name), str) for row in rows) else "r" for name in columns)
    return Table(header, tuple(tuple(cell(row, name) for name in columns) for row in rows), align)


def cell(row: Mapping[Any, Any], name: str) -> Words:
    value = row.get(name)
    if name == "status":
        return worded(str(value))
    return percent(value) if is_fraction(name) and isinstance(value, float) else Foreign(setting(name, value))
