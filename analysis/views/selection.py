"""Which rows and columns a command prints, and in which order: --filter, --sort, --top, --columns."""

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.frame import dataframe
from analysis.frame.dataframe import Row
from analysis.ranking.standing import stand
from analysis.render.blocks import Foreign, Paragraph, Table, Words, paragraphs
from analysis.render.markdown import one_line, percent, rendered, setting
from analysis.results.printed import apart, changed_code, rankings_of
from analysis.results.rows import all_records, as_csv, as_json
from analysis.results.sections.leaderboard import worded
from analysis.views.filters import check_kinds, condition, is_accuracy, unfulfilled
from search.run.ledger import Run
from trainables import written
from trainables.cli.execution import tell
from trainables.config import unknown
from trainables.errors import UsageError

NO_ROW = Paragraph("No row fulfils the condition.")


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
    """The rows of one ranking that were asked for, see `select_each`."""
    return select_each([rows], selection)[0]


def select_each(rankings: Sequence[list[Row]], selection: Selection) -> list[list[Row]]:
    """The rows of each ranking that were asked for, in the order and with the columns that were asked for.

    `top` counts in each ranking, because rows of two rankings cannot be compared.

    Raises:
        UsageError: no row has one of the columns, or the condition is not understood.
    """
    rows = [row for ranking in rankings for row in ranking]
    known = list(dict.fromkeys(str(key) for row in rows for key in row))
    if selection.filter is not None:
        rows = fulfilling(selection.filter, rows, known)
    rows = in_order(rows, selection.sort, known)
    wanted = None if selection.columns is None else names(selection.columns, known)
    origin = {id(row): place for place, ranking in enumerate(rankings) for row in ranking}
    chosen: list[list[Row]] = [[] for _ in rankings]
    for row in rows:
        chosen[origin[id(row)]].append(row if wanted is None else {key: row.get(key) for key in wanted})
    return [ranking[: selection.top] for ranking in chosen]


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


def listed(runs: Sequence[Run], form: str, selection: Selection) -> str:
    """The selected part of the leaderboard of one or several runs as md, csv or json, best first unless sorted otherwise."""
    rankings = [all_records(stand(runs[0]))] if len(runs) == 1 else rankings_of(runs)
    shown = select_each(rankings, selection)
    rows = [row for ranking in shown for row in ranking]
    if form != "md":
        return as_json(rows) if form == "json" else as_csv(rows)
    keys = dataframe.varied(dataframe.load(runs), runs)
    values = dict.fromkeys(run.identity.objective.column for run in runs)
    usual = ["rank", "id", *(["run"] if len(runs) > 1 else []), *keys, *values, "best_epoch", "epochs", "status"]
    columns = usual if selection.columns is None else [str(key) for key in rows[0]] if rows else []
    tables = [as_table(ranking, columns, shares(behind(ranking, runs), columns)) for ranking in shown if ranking]
    reason = paragraphs(apart(runs) if len(tables) > 1 else "")
    changed = [(f"{run.name}: " if len(runs) > 1 else "") + words for run in runs if (words := changed_code(run))]
    return rendered((*reason, *(tables or [NO_ROW]), *paragraphs(*changed))) + "\n"


def behind(ranking: Sequence[Row], runs: Sequence[Run]) -> list[Run]:
    """The runs whose rows are in a ranking of several runs; a single run itself."""
    names = {row.get("run", runs[0].name) for row in ranking}
    return [run for run in runs if run.name in names]


def shares(runs: Sequence[Run], columns: Sequence[str]) -> set[str]:
    """The columns with fractions that tables show in per cent: accuracies of images, and objectives that are fractions."""
    objectives = {run.identity.objective for run in runs}
    fractions = {each.column for each in objectives if written.is_percent(each)}
    numbers = {each.column for each in objectives if not written.is_percent(each)}
    has_images = any(run.identity.has_images for run in runs)
    bare = {name: name.removesuffix("_low").removesuffix("_high") for name in columns}
    return {
        name
        for name, value in bare.items()
        if value in fractions or (has_images and is_accuracy(value) and value not in numbers)
    }


def as_table(rows: list[Row], columns: Sequence[str], percents: Collection[str]) -> Table | Paragraph:
    """Rows as a table, with the columns `percents` in per cent; a sentence if there are no rows."""
    if not rows:
        return NO_ROW
    header = tuple((Foreign(name), " %" if name in percents else "") for name in columns)
    align = "".join("l" if any(isinstance(row.get(name), str) for row in rows) else "r" for name in columns)
    cells = tuple(tuple(cell(row, name, name in percents) for name in columns) for row in rows)
    return Table(header, cells, align)


def cell(row: Mapping[Any, Any], name: str, is_percent: bool) -> Words:
    value = row.get(name)
    if name == "status":
        return worded(str(value))
    return percent(value) if is_percent and isinstance(value, float) else Foreign(setting(name, value))
