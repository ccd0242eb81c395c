"""csv:PATH, a table with one row for each picture: path, label and, optionally, split and group."""

import csv
import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data import assemble, labels
from trainables.data.assemble import Labelled, Splits
from trainables.data.cache import Written
from trainables.data.names import base_name, elsewhere, place
from trainables.data.sources.base import Options, Source, file_key
from trainables.errors import DataError
from trainables.written import plural

Row = dict[str, str]


def source(dataset: str, options: Options) -> Source:
    """The source of csv:PATH. The table is read; no picture is opened.

    Raises:
        DataError: the table cannot be read, has no column of paths or labels, or has too few rows.
    """
    path = place(dataset)
    rows = _rows(path)
    splits, classes, notes = _splits(path, rows, options)
    assemble.whole(str(path), splits, classes)
    files = [Path(picture) for own in splits.values() for picture in own.pictures]

    def write(folder: Path) -> Written:
        return assemble.write(str(path), splits, classes, folder, options, {"dataset": elsewhere(dataset)})

    return Source(
        base_name(path), file_key("csv", [path, *files], options), write, notes=tuple(notes), images=len(files)
    )


def _rows(path: Path) -> list[Row]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read table: {path}: {getattr(error, 'strerror', None) or 'no UTF-8'}. Write a CSV file with a header."
        ) from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
    try:
        return [_checked(path, row, rows.line_num) for row in rows]
    except csv.Error as error:
        raise DataError(f"cannot read table: {path}: {error}. Write a CSV file with a header.") from error


def _checked(path: Path, row: dict[Any, Any], line: int) -> Row:
    """A row without empty fields behind its last column.

    Raises:
        DataError: it has more fields than the header.
    """
    behind = row.pop(None, [])  # where DictReader puts them
    if more := [each for each in behind if each.strip()]:
        raise DataError(
            f"too many fields: {path}:{line}: {more[0]!r} has no column. Quote a field that holds the delimiter."
        )
    return row


def _splits(path: Path, rows: list[Row], options: Options) -> tuple[Splits, tuple[str, ...], list[str]]:
    """The pictures of each split, the classes, and a note about rows that are not read."""
    if not rows:
        raise DataError(f"no images: {path}: the table has no rows. It has a header and a row for each picture.")
    named = _column(path, rows, labels.PATHS, "path"), _column(path, rows, labels.LABELS, "label")
    split = labels.column(rows[0], labels.SPLITS)
    sorted_rows: dict[str, list[Row]] = {}
    unread: dict[str, int] = {}
    for row in rows:
        which = (labels.split_of(row[split]) if row[split].strip() else "") if split else "train"
        if which:
            sorted_rows.setdefault(which, []).append(row)
        else:
            said = row[split].strip() if split else ""
            unread[said] = unread.get(said, 0) + 1
    if "train" not in sorted_rows:
        raise DataError(
            f"no training images: {path}: no row has train in its column {split}. Name it train, val or test."
        )
    indices, classes = labels.indexed(
        str(path), {which: [row[named[1]] for row in own] for which, own in sorted_rows.items()}
    )
    groups = {which: _groups(path, own, named[0], options) for which, own in sorted_rows.items()}
    splits = {
        which: _labelled(path, [row[named[0]] for row in own], indices[which], groups[which])
        for which, own in sorted_rows.items()
    }
    words = ", ".join(f"{number:,} with {said!r}" for said, number in sorted(unread.items())[:5])
    notes = (
        [f"{plural(sum(unread.values()), 'row')} not read: column {split}: {words}. Read are train, val and test"]
        if unread
        else []
    )
    return splits, classes, notes


def _column(path: Path, rows: list[Row], known: tuple[str, ...], what: str) -> str:
    found = labels.column([name for name in rows[0] if name], known)
    if found is None:
        there = ", ".join(name for name in rows[0] if name)
        raise DataError(
            f"no column: {path}: none is called {what} (or {', '.join(known[1:4])}) among {there}. Rename one."
        )
    return found


def _labelled(path: Path, names: list[str], indices: np.ndarray, groups: list[str]) -> Labelled:
    """The pictures of a split, ordered by class and name, so that the order of rows has no effect."""
    order = np.array(sorted(range(len(names)), key=lambda place: (int(indices[place]), names[place])), np.int64)
    files = [os.path.normpath(path.parent / names[place].strip()) for place in order]
    return Labelled(
        files,
        indices[order],
        [names[place] for place in order],
        [groups[place] for place in order] if groups else (),
        True,
    )


def _groups(path: Path, rows: list[Row], paths: str, options: Options) -> list[str]:
    """The group of each row: the value of the column --group-by if there is one, else a part of the file's name."""
    if options.group_by is None:
        return []
    if options.group_by in rows[0]:
        return [row[options.group_by] for row in rows]
    return assemble.groups_of([row[paths] for row in rows], options.group_by)
