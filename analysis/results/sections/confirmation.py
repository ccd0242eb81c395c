"""The best configurations, trained again on fresh seeds: their value there, beside their value in the search."""

from collections.abc import Sequence

import pandas as pd

from analysis.frame import valued
from analysis.frame.dataframe import Row, rows_of
from analysis.ranking.comparison import FOLDS, SEEDS
from analysis.ranking.standing import Standing
from analysis.render.blocks import Blocks, Heading, Table, Words, items, paragraphs
from analysis.render.markdown import NOTHING, chance, cut
from analysis.results.sections.explanation import (
    BEST_EPOCH,
    BEST_OWN_EPOCH,
    FOLD_INTERVAL,
    METHODS,
    TIED,
    adjusted,
    few_seeds,
    on_these,
    picked_configuration,
    place_words,
)
from analysis.results.sections.leaderboard import (
    FEWEST,
    WIDEST,
    Column,
    around,
    best_value,
    distance,
    named,
    place,
    possible_places,
    setting_of,
    shares_places,
    table,
    value,
    width,
    worded,
)
from search.run.ledger import Run
from trainables import written
from trainables.objective import Objective
from trainables.written import plural


def section(run: Run, where: Standing) -> Blocks:
    """The table of the confirmed configurations, or how many trials on fresh seeds have ended; empty without any."""
    trials, heading = run.fresh_trials, Heading(f"Confirmed on fresh {run.identity.repeat}s")
    if not trials:
        return ()
    if where.confirmed.empty:
        ended = sum(trial.ended for trial in trials)
        under_way = f"Under way: {ended} of {plural(len(trials), 'trial')} ended. Until then the search's values stand."
        return heading, *paragraphs(under_way)
    return heading, board(where, f"{run.identity.repeat}s"), *items(words(run, where.confirmed))


def board(where: Standing, repeats: str = "seeds") -> Table:
    """One row per confirmed configuration, best first; without the last hyperparameters if the table gets too wide."""
    rows, keys = rows_of(where.confirmed), list(where.keys)
    while len(keys) > FEWEST and width(columns(where.confirmed, keys, repeats), rows) > WIDEST:
        keys.pop()
    return table(columns(where.confirmed, keys, repeats), rows)


def columns(ranked: pd.DataFrame, keys: Sequence[str], repeats: str = "seeds") -> list[Column]:
    """The columns of the table."""
    best, is_shared = best_value(ranked), int(ranked["tied"].sum()) > 1
    objective = valued.objective_of(ranked)
    return [
        ("#", "r", lambda row: place(row, is_shared)),
        *([("place", "r", possible_places)] if shares_places(ranked) else []),
        ("id", "l", named),
        *((cut(key), "r", setting_of(key)) for key in keys),
        (written.heading(objective, "confirmed"), "r", lambda row: value(row, best)),
        ("95 % interval", "r", around),
        (written.differences(objective), "r", lambda row: distance(row, best)),
        ("p", "r", lambda row: chance(row["p_value"])),
        (written.heading(objective, "search"), "r", searched),
        (written.differences(objective, "drop"), "r", drop),
        (repeats, "r", lambda row: str(row["seeds"])),
        ("status", "l", lambda row: worded(row["status"])),
    ]


def searched(row: Row) -> str:
    """The value of a configuration in the search."""
    return NOTHING if pd.isna(row["search_value"]) else written.number(valued.own(row), row["search_value"])


def drop(row: Row) -> str:
    """By how much the value in the search was better than the value on fresh seeds."""
    value, objective = valued.value(row), valued.own(row)
    if pd.isna(value) or pd.isna(row["search_value"]) or row["status"] != "finished":
        return NOTHING
    return written.difference(objective, objective.signed(row["search_value"] - value))


def words(run: Run, confirmed: pd.DataFrame) -> list[Words]:
    """Explain the columns of the table."""
    seeds, objective, folds = run.totals.confirm_seeds, run.identity.objective, run.identity.folds
    what, images = run.identity.repeat, run.identity.val_images
    minus = "the search's value minus the confirmed one"
    minus = minus if objective.mode == "max" else "the confirmed value minus the search's"
    finished = int((confirmed["status"] == "finished").sum())
    pairs = finished * (finished - 1) // 2
    chosen = BEST_OWN_EPOCH if objective.is_own else BEST_EPOCH
    lines: list[Words] = [
        f"{written.heading(objective, 'confirmed')}: mean {written.title(objective)} over {plural(seeds, f'fresh {what}')}, the "
        f"same for every row and none of the search's, trained in full. {chosen}"
        f"{interval_words(seeds, confirmed, objective, folds)}",
        f"drop: {minus}."
        + (
            f" In the first row it tends to be smaller than the luck of the search, because these {what}s put that row first."
            if finished > 1
            else ""
        ),
    ]
    if pairs and seeds > 1:
        told = "the chance of so large a difference from the best, if the two configurations are equally good"
        on = on_these(confirmed, images)
        lines.append((f"p: {told}{on} ({METHODS[FOLDS if folds else SEEDS]}).{adjusted(pairs)} ", TIED))
    if shares_places(confirmed):
        lines.append(place_words(confirmed, images))
    return lines


def interval_words(seeds: int, confirmed: pd.DataFrame, objective: Objective, folds: int = 0) -> str:
    """What the interval covers and what it does not; empty for one seed, which gives no interval."""
    if seeds < 2:
        return ""
    if folds:
        return f" {FOLD_INTERVAL}{picked_configuration(confirmed, folds)}{few_seeds(seeds, folds)}"
    uncovered = "not" if objective.is_own else "neither the luck of which validation images were drawn nor"
    return (
        f" 95 % interval: Student's over seeds. It covers the luck of the seed, but {uncovered} another search."
        f"{picked_configuration(confirmed)}{few_seeds(seeds)}"
    )
