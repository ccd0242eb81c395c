"""The leaderboard: as a table for reading, as rows for programs, of one run or of several."""

import json
from collections.abc import Sequence
from urllib.parse import quote

import pandas as pd

from analysis import comparison
from analysis.frame import METRICS, Row, rows_of
from analysis.markdown import NOTHING, count, escape, interval, link, percent, plural, setting, table

TOP = 20  # rows in the table; the baseline comes on top of them
RANKED = ("finished", "stopped", "running", "waiting")  # what these reached is a value; a diverged trial has none
WORDS = {"stopped": "stopped early", "planned": "not started", "running": "not ended"}


def best_rows(ranked: pd.DataFrame, top: int = TOP) -> pd.DataFrame:
    """The first rows, and the baseline wherever it is."""
    return ranked[(ranked["rank"] <= top) | (ranked["source"] == "baseline")]


def leaderboard(ranked: pd.DataFrame, keys: Sequence[str], *, links: bool = True) -> str:
    """A table of the rows of ranked; `keys` are the hyperparameters (or other columns) worth a column."""
    header = ["#", "id", *map(escape, keys), "val %", "95 % interval", "Δ pp", "best epoch", "epochs", "status"]
    rows = rows_of(ranked)
    best = rows[0]["val_accuracy"] if rows and rows[0]["status"] == "finished" else None
    is_shared = int(ranked["tied"].sum()) > 1
    align = "rl" + "".join("l" if key == "run" else "r" for key in keys) + "rrrrrl"
    return table(header, [cells(row, keys, best, is_shared, links) for row in rows], align)


def cells(row: Row, keys: Sequence[str], best: float | None, is_shared: bool, links: bool) -> list[str]:
    """One line of the table."""
    name = identifier(row, links) + (" (baseline)" if row["source"] == "baseline" else "")
    own = [setting(key, row[key]) for key in keys]
    used = f"{row['epochs']}/{row['epochs_allowed']}"
    return [place(row, is_shared), name, *own, *value_cells(row, best), used, worded(row["status"])]


def place(row: Row, is_shared: bool) -> str:
    """The rank; that of the best for every row tied with it."""
    if not has_value(row):
        return NOTHING
    return ("1=" if is_shared else "1") if row["tied"] else str(row["rank"])


def value_cells(row: Row, best: float | None) -> list[str]:
    """Accuracy, interval, distance to the best, and the epoch of all three."""
    if not has_value(row):
        return [NOTHING] * 4
    accuracy = percent(row["val_accuracy"])
    is_best = best is not None and row["rank"] == 1
    distance = NOTHING if best is None or is_best else f"{100 * (row['val_accuracy'] - best):+.2f}".replace("-", "−")
    return [
        f"**{accuracy}**" if is_best else accuracy,
        interval(row["low"], row["high"]),
        distance,
        str(row["best_epoch"]),
    ]


def has_value(row: Row) -> bool:
    return row["status"] in RANKED and not pd.isna(row["val_accuracy"])


def identifier(row: Row, links: bool = True) -> str:
    """The id of a trial, linked to its folder."""
    name = escape(row["id"])
    return link(name, quote(f"trials/{row['folder'].name}")) if links else name


def worded(status: str) -> str:
    """A status as a reader would say it."""
    return WORDS.get(status, status)


def tally(ranked: pd.DataFrame) -> str:
    """16 trials: 5 finished, 10 stopped early, 1 diverged."""
    counts = ranked["status"].value_counts(sort=False)  # in order of appearance: best first
    parts = ", ".join(f"{count(int(number))} {worded(str(name))}" for name, number in counts.items())
    return f"{plural(len(ranked), 'trial')}: {parts}" if parts else "no trials"


def explanation(ranked: pd.DataFrame, images: int, seeds: int) -> list[str]:
    """What interval, rank and ties mean, in words."""
    lines = [
        f"val %: accuracy on the {count(images)} validation images at the best epoch. 95 % interval: Wilson's, for the "
        "luck of which images were drawn; it covers neither the seed of the training nor the choice of the best among "
        "many. Δ pp: percentage points behind the best."
    ]
    compared = int(ranked["test"].notna().sum())
    if compared:
        adjusted = f", Holm-adjusted for {count(compared)} comparisons" if compared > 1 else ""
        lines.append(f"`1=`: not shown to differ from the best at the 5 % level ({method(ranked)}{adjusted}).")
    if "stopped" in set(ranked["status"]):
        lines.append(
            "Trials stopped early rank below all finished ones, by what they had reached; no test is made of them."
        )
    if seeds == 1:
        lines.append(
            "**Unconfirmed: one seed each.** The best of many values is partly luck: expect less from it on another "
            "seed or on new images."
        )
    return lines


def method(ranked: pd.DataFrame) -> str:
    """Which test compared the rows with the best."""
    paired = "exact McNemar test on the same images"
    unpaired = "two-proportion z-test, which ignores that the images are the same and so sees less"
    used = ranked["test"].value_counts()
    if len(used) == 2:
        return f"{paired}; for {plural(int(used[comparison.UNPAIRED]), 'row')} without stored predictions, {unpaired}"
    return paired if comparison.PAIRED in used else unpaired


def records(ranked: pd.DataFrame, keys: Sequence[str]) -> list[Row]:
    """One dict of plain JSON values per trial, best first; `keys` are the searched hyperparameters."""
    columns = list(ranked.columns)
    metrics = columns[columns.index(METRICS[0]) : columns.index("low")]
    names = {key: key for key in ("id", "rank", "status", "epochs", *keys, *metrics)}
    names |= {"low": "val_accuracy_low", "high": "val_accuracy_high", "tied": "tied_with_best"}
    names |= {key: key for key in ("best_epoch", "epochs_allowed", "seed", "source", "index")}
    plain = ranked[list(names)].rename(columns=names).astype(object)
    return rows_of(plain.where(plain.notna(), None))


def as_json(rows: list[Row]) -> str:
    """A list with one object per line, so that a change of one trial is a change of one line."""
    lines = ",\n".join("  " + json.dumps(row, allow_nan=False) for row in rows)
    return f"[\n{lines}\n]\n" if rows else "[]\n"


def as_csv(rows: list[Row]) -> str:
    """The same rows; an absent value is an empty field."""
    return pd.DataFrame(rows, dtype=object).to_csv(index=False, lineterminator="\n")
