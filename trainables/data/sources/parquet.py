"""hf:PATH, data sets downloaded from Hugging Face: parquet files with a column of pictures and a column of labels."""

import json
from pathlib import Path
from typing import Any

from trainables.data import assemble, labels
from trainables.data.assemble import Labelled
from trainables.data.cache import Written
from trainables.data.names import base_name, elsewhere, place
from trainables.data.sources.base import Options, Source, file_key
from trainables.errors import DataError


def source(dataset: str, options: Options) -> Source:
    """The source of hf:PATH, a parquet file or a folder of parquet files. Rows are read only when images are decoded.

    Raises:
        DataError: there is no such file.
    """
    path = place(dataset)
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise DataError(
            f"no parquet files: {path}: {'it holds none' if path.is_dir() else 'no such file'}. Download those of the data set, "
            "and name their folder: hf:PATH."
        )

    def write(folder: Path) -> Written:
        return _written(path, files, folder, options, elsewhere(dataset))

    return Source(base_name(path), file_key("hf", files, options), write)


def _written(path: Path, files: list[Path], folder: Path, options: Options, name: str) -> Written:
    tables: dict[str, list[tuple[Path, Any]]] = {}
    for file in files:
        where = file.relative_to(path).as_posix() if file != path else file.name
        split = (
            labels.words(file.stem)[0] or labels.words(where)[0] or "train"
        )  # its own name says more than its folders'
        tables.setdefault(split, []).append((file, _table(file)))
    if "train" not in tables:
        raise DataError(f"no training images: {path}: no file is called train. Files are called by their split.")
    first = tables["train"][0][1]
    columns = [
        _column(path, first, known, what) for known, what in ((labels.IMAGES, "image"), (labels.LABELS, "label"))
    ]
    found = {split: _rows(path, own, columns, options) for split, own in tables.items()}
    indices, classes = labels.indexed(
        str(path), {split: rows[1] for split, rows in found.items()}, _class_names(first, columns[1])
    )
    splits = {split: Labelled(rows[0], indices[split], rows[2], rows[3]) for split, rows in found.items()}
    return assemble.write(str(path), splits, classes, folder, options, {"dataset": name})


def _table(file: Path) -> Any:
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        return pyarrow.parquet.read_table(file)
    except (OSError, ValueError) as error:  # those of pyarrow are ValueErrors
        why = " ".join(str(error).split())
        raise DataError(f"cannot read parquet: {file}: {why[:200]}. Download it again.") from error


def _column(path: Path, table: Any, known: tuple[str, ...], what: str) -> str:
    found = labels.column(table.column_names, known)
    if found is None:
        raise DataError(f"no column: {path}: none is called {what} among {', '.join(table.column_names)}. Rename one.")
    return found


def _rows(
    path: Path, tables: list[tuple[Path, Any]], columns: list[str], options: Options
) -> tuple[list[Any], list[Any], list[str], list[str]]:
    """Pictures, labels, names and groups of the rows of several files."""
    pictures, found, names, groups = [], [], [], []
    for file, table in tables:
        if missing := {*columns, *([options.group_by] if options.group_by else [])} - set(table.column_names):
            raise DataError(
                f"no column: {file}: {', '.join(sorted(missing))} is not among {', '.join(table.column_names)}."
            )
        pictures += [_picture(each) for each in table.column(columns[0]).to_pylist()]
        found += table.column(columns[1]).to_pylist()
        where = file.relative_to(path).as_posix() if file != path else file.name
        names += [f"{where}[{place}]" for place in range(table.num_rows)]
        groups += [str(each) for each in table.column(options.group_by).to_pylist()] if options.group_by else []
    return pictures, found, names, groups


def _picture(value: Any) -> Any:
    """The picture in a cell: Hugging Face keeps a dictionary with the bytes of an image file; other values stay as they are."""
    return value.get("bytes") or b"" if isinstance(value, dict) else value


def _class_names(table: Any, column: str) -> list[str]:
    """The names of the classes from the metadata that Hugging Face writes into a file; empty if there are none."""
    try:
        features = json.loads((table.schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError):
        return []
