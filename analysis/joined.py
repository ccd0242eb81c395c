"""One ranking over one or several runs: only trials that were measured on the same images are ranked together."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis import comparison, frame, ranking
from analysis.frame import Row
from analysis.leaderboard import as_csv, as_json, best_rows, explanation, leaderboard, records, tally
from analysis.markdown import count, escape
from analysis.standing import CONFIRM, Standing, stand
from search.ledger import Run
from trainables.config import unknown
from trainables.errors import RunError


def find(name: str, runs_dir: Path) -> Path:
    """The folder of a run: a name under runs_dir, or a path.

    Raises:
        RunError: there is no such run, with the closest name.
    """
    if (runs_dir / name / "run.json").exists():
        return runs_dir / name
    if Path(name).exists():
        return Path(name)
    known = sorted(path.parent.name for path in runs_dir.glob("*/run.json"))
    if not known:
        raise RunError(f"unknown run {name!r}: {runs_dir} holds no run. Give a path, or --runs-dir DIR.")
    raise RunError(unknown("run", name, known))


def show(runs: Sequence[Run], form: str, where: Standing | None = None) -> str:
    """The ranking of all trials as md, csv or json; of several runs with a column that names the run.

    Args:
        where: of a single run, if it is known already.
    """
    if len(runs) == 1:
        return show_one(runs[0], form, where or stand(runs[0]))
    everything = frame.load(runs)
    ranked, keys = rank(everything, runs), frame.varied(everything, runs)
    if form == "md":
        return as_markdown(runs, ranked, ["run", *keys])
    rows = [row for part in ranked for row in records(part, ["run", "dataset", *keys])]
    return as_csv(rows) if form == "csv" else as_json(rows)


def show_one(run: Run, form: str, where: Standing) -> str:
    """The configurations of one run as a table, or all its trials as records."""
    if form == "md":
        return as_markdown([run], [where.board] if len(where.board) else [], where.keys)
    rows = all_records(where)
    return as_csv(rows) if form == "csv" else as_json(rows)


def all_records(where: Standing) -> list[Row]:
    """Every trial once: those of the search, best first, then those that confirm, which have no rank."""
    return records(where.trials, where.keys) + records(where.fresh, where.keys)


def rank(everything: pd.DataFrame, runs: Sequence[Run]) -> list[pd.DataFrame]:
    """The trials of the searches, best first with their intervals and ties, one frame for each data set."""
    images = {run.identity["fingerprint"]: run.identity["sizes"]["val"] for run in runs}
    groups = everything[everything["source"] != CONFIRM].groupby("fingerprint", sort=False)
    return [comparison.compare(ranking.rank(group), images[str(fingerprint)]) for fingerprint, group in groups]


def as_markdown(runs: Sequence[Run], ranked: list[pd.DataFrame], keys: list[str]) -> str:
    """A table for each data set, its meaning in words below it."""
    parts = (
        ["Runs on different images are ranked apart: their accuracies cannot be compared."] if len(ranked) > 1 else []
    )
    for rows in ranked:
        shown = best_rows(rows)
        cut = f" The best {count(len(shown))} are shown." if len(shown) < len(rows) else ""
        images = next(
            run.identity["sizes"]["val"] for run in runs if run.identity["fingerprint"] == rows["fingerprint"].iloc[0]
        )
        seeds = runs[0].totals["seeds"] if len(runs) == 1 else 1  # rows of several runs are single trials
        parts.append(
            f"{escape(rows['dataset'].iloc[0])}: {tally(rows, 'configuration' if seeds > 1 else 'trial')}.{cut}"
        )
        parts += [
            leaderboard(shown, keys, links=False),
            "\n".join(f"- {line}" for line in explanation(rows, images, seeds)),
        ]
    return "\n\n".join(parts or ["No trial has been planned."]) + "\n"
