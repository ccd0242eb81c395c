"""Failures, grouped by what went wrong, so that one cause is one line."""

import pandas as pd

from analysis.frame import planned, rows_of
from analysis.leaderboard import identifier
from analysis.markdown import count, escape, plural, table, without_folders
from search.ledger import Run

EXAMPLES = 3  # ids named for each cause


def failures(run: Run, ranked: pd.DataFrame) -> str:
    """Failed trials by error and place with their number and examples; diverged ones in a sentence."""
    parts = [failed(run, ranked), diverged(ranked)]
    return "\n\n".join(["## Failures", *filter(None, parts)]) if any(parts) else ""


def failed(run: Run, ranked: pd.DataFrame) -> str:
    causes: dict[tuple[str, str], list[str]] = {}
    names = {row["index"]: identifier(row) for row in rows_of(ranked[ranked["status"] == "failed"])}
    for trial in planned(run):
        if trial.index in names and trial.outcome:
            cause = without_folders(str(trial.outcome.get("error", ""))), str(trial.outcome.get("where", ""))
            causes.setdefault(cause, []).append(names[trial.index])
    ordered = sorted(causes.items(), key=lambda item: -len(item[1]))
    rows = [
        [count(len(ids)), escape(error), escape(where), ", ".join(ids[:EXAMPLES])] for (error, where), ids in ordered
    ]
    if not rows:
        return ""
    causes_table = table(["n", "error", "where", "trials"], rows, "rlll")
    return f"{causes_table}\n\nThe traceback is in `error.txt` in the folder of each trial."


def diverged(ranked: pd.DataFrame) -> str:
    rows = rows_of(ranked[ranked["status"] == "diverged"])
    if not rows:
        return ""
    names = ", ".join(identifier(row) for row in rows[:EXAMPLES])
    more = f" and {count(len(rows) - EXAMPLES)} more" if len(rows) > EXAMPLES else ""
    return f"{plural(len(rows), 'trial')} diverged (the loss was no longer a finite number): {names}{more}."
