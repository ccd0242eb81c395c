"""Failures, grouped by what went wrong, so that one cause is one line."""

from collections.abc import Sequence

import pandas as pd

from analysis.frame.dataframe import Row, planned, rows_of
from analysis.render.blocks import Blocks, Code, Foreign, Heading, Link, Paragraph, Table, Words, join, paragraphs
from analysis.render.markdown import without_folders
from analysis.results.sections.leaderboard import identifier
from search.run.ledger import Run
from trainables.written import count, plural

EXAMPLES = 3  # ids named for each cause


def failures(run: Run, *trials: pd.DataFrame) -> Blocks:
    """A table of failed trials by error and place in the code, with examples, and a sentence about diverged trials.

    Args:
        trials: one row per trial; those of the search, and those on fresh seeds.
    """
    rows = [row for frame in trials for row in rows_of(frame)]
    found = (*failed(run, rows), *paragraphs(diverged(rows)))
    return (Heading("Failures"), *found) if found else ()


def failed(run: Run, ranked: Sequence[Row]) -> Blocks:
    causes: dict[tuple[str, str], list[Link]] = {}
    names = {row["index"]: identifier(row) for row in ranked if row["status"] == "failed"}
    for trial in planned(run):
        if trial.index in names and trial.outcome:
            cause = without_folders(str(trial.outcome.get("error", ""))), str(trial.outcome.get("where", ""))
            causes.setdefault(cause, []).append(names[trial.index])
    if not causes:
        return ()
    rows: list[tuple[Words, ...]] = [
        (count(len(ids)), Foreign(error), Foreign(where), join(", ", ids[:EXAMPLES]))
        for (error, where), ids in sorted(causes.items(), key=lambda item: -len(item[1]))
    ]
    told = Paragraph(("All that is known is in ", Code("error.txt"), " in the folder of each trial."))
    return Table(("n", "error", "where", "trials"), tuple(rows), "rlll"), told


def diverged(ranked: Sequence[Row]) -> Words:
    rows = [row for row in ranked if row["status"] == "diverged"]
    if not rows:
        return ""
    names = join(", ", [identifier(row) for row in rows[:EXAMPLES]])
    more = f" and {count(len(rows) - EXAMPLES)} more" if len(rows) > EXAMPLES else ""
    return f"{plural(len(rows), 'trial')} diverged (the loss was no longer a finite number): ", names, f"{more}."
