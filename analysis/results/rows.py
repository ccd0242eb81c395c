"""The rows of a leaderboard for programs: JSON and CSV."""

import csv
import io
import json
from collections.abc import Sequence

import pandas as pd

from analysis.frame import valued
from analysis.frame.dataframe import COSTS, Row, keys_of, metric_columns, rows_of
from analysis.ranking.standing import Standing


def records(ranked: pd.DataFrame, keys: Sequence[str]) -> list[Row]:
    """One dict of plain JSON values per trial, best first; `keys` are the searched hyperparameters."""
    columns, objective = list(ranked.columns), valued.objective_of(ranked)
    metrics, value = metric_columns(ranked, objective), objective.column
    names = {key: key for key in ("id", "rank", "status", "epochs", *keys, *metrics)}
    names |= {"low": f"{value}_low", "high": f"{value}_high", "tied": "tied_with_best"}
    names |= {key: key for key in ("best_epoch", "epochs_allowed", *COSTS, "seed", "source", "index")}
    if "fold" in columns and ranked["seed"].notna().any():  # rows of trials, and not of configurations
        names |= {"fold": "fold"}
    if ranked[list(COSTS)].isna().all(axis=None):  # own training
        names = {key: name for key, name in names.items() if key not in COSTS}
    if "seeds_asked" in columns:  # rows of several runs
        names |= {"seeds_asked": "seeds"} | {key: key for key in ("confirmed", "confirmed_low", "confirmed_high")}
    plain = ranked.reindex(columns=list(names)).rename(columns=names).astype(object)
    return rows_of(plain.where(plain.notna(), None))


def all_records(where: Standing) -> list[Row]:
    """Every trial once: the trials of the search, best first, then the trials on fresh seeds, which have no rank."""
    return records(where.trials, where.keys) + records(where.fresh, where.keys)


def as_json(rows: list[Row]) -> str:
    """The rows as a JSON list with one object per line, so that a change of one trial is a change of one line."""
    encode = json.JSONEncoder(allow_nan=False).encode  # one for all rows
    lines = ",\n".join("  " + encode(row) for row in rows)
    return f"[\n{lines}\n]\n" if rows else "[]\n"


def as_csv(rows: list[Row]) -> str:
    """The rows as CSV; an absent value is an empty field."""
    names, text = keys_of(rows), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row.get(name) for name in names] for row in rows)
    return text.getvalue()
