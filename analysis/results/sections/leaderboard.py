"""The leaderboard as a table for reading, of one run or of several. explanation.py says what its columns mean."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.frame import valued
from analysis.frame.dataframe import Row, rows_of
from analysis.frame.network_cost import NAMES
from analysis.render.blocks import Blocks, Bold, Link, Table, Words, paragraphs
from analysis.render.markdown import NOTHING, chance, cut, plain, setting
from search.status import LOST
from trainables import written
from trainables.written import count, plural

Column = tuple[Words, str, Callable[[Row], Words]]  # name, l or r, and the cell of a row

WIDEST = 120  # characters of a table as it is read
FEWEST = 3  # hyperparameters that have a column at any rate
TOP = 20  # rows in the table; the baseline comes on top of them
WORDS = {"stopped": "stopped early", "planned": "not started", "running": "not ended"}


def best_rows(ranked: pd.DataFrame, top: int = TOP) -> pd.DataFrame:
    """The first `top` rows, and the baseline wherever it ranks."""
    return ranked[(ranked["rank"] <= top) | (ranked["source"] == "baseline")]


def leaderboard(
    ranked: pd.DataFrame,
    keys: Sequence[str],
    *,
    costs: Mapping[int, Sequence[str]] | None = None,
    order: Sequence[str] = (),
) -> Blocks:
    """A table of the rows of ranked, and a line below the table that names the hyperparameters without room in it.

    Args:
        keys: the hyperparameters (or other columns) worth a column.
        costs: the cells of analysis.frame.network_cost, by the place of a trial in the plan; none if all cost the same.
        order: the keys in the order in which they get room; the order of `keys` if this is empty.
    """
    rows = rows_of(ranked)
    kept = with_room(ranked, keys, costs or {}, order)
    ranking = table(columns(ranked, kept, costs or {}), rows)
    left = [span(key, [row[key] for row in rows]) for key in keys if key not in kept]
    more = f"Also varied, without room in the table: {'; '.join(left)}." if left else ""
    return ranking, *paragraphs(more)


def table(shown: Sequence[Column], rows: Sequence[Row]) -> Table:
    """A table with one line for each row."""
    header, align = tuple(name for name, _, _ in shown), "".join(side for _, side, _ in shown)
    return Table(header, tuple(tuple(cell(row) for _, _, cell in shown) for row in rows), align)


def with_room(
    ranked: pd.DataFrame, keys: Sequence[str], costs: Mapping[int, Sequence[str]], order: Sequence[str]
) -> list[str]:
    """The keys that fit into the table; the last keys of `order` are dropped first, but never the first FEWEST."""
    rows, kept = rows_of(ranked), list(keys)
    last = [*order, *(key for key in keys if key not in order)]
    for key in reversed(last[FEWEST:]):
        if width(columns(ranked, kept, costs), rows) > WIDEST and key in kept:
            kept.remove(key)
    return kept


def width(shown: Sequence[Column], rows: Sequence[Row]) -> int:
    """The number of characters in a line of the table, as it is read."""
    texts = [[name, *(cell(row) for row in rows)] for name, _, cell in shown]
    return 1 + sum(3 + max(len(plain(words)) for words in column) for column in texts)


def span(key: str, values: Sequence[Any]) -> str:
    """The name of a hyperparameter and the range of its values; how many values if not all are numbers."""
    present = [value for value in values if value is not None]
    if present and all(type(value) in (int, float) for value in present):
        low, high = setting(key, min(present)), setting(key, max(present))
        return f"{key} {low}" + (f" to {high}" if high != low else "")
    return f"{key} ({plural(len(set(map(repr, present))), 'value')})"


def columns(ranked: pd.DataFrame, keys: Sequence[str], costs: Mapping[int, Sequence[str]]) -> list[Column]:
    """The columns of the table, without those that say nothing about these rows."""
    best, objective = best_value(ranked), valued.objective_of(ranked)
    is_shared = int(ranked["tied"].sum()) > 1
    has_intervals = objective.is_accuracy or ranked["low"].notna().any()
    every: list[Column | None] = [
        ("#", "r", lambda row: place(row, is_shared)),
        ("place", "r", possible_places) if shares_places(ranked) else None,
        ("id", "l", named),
        *((cut(key), "l" if key == "run" else "r", setting_of(key)) for key in keys),
        (written.heading(objective), "r", lambda row: value(row, best)),
        ("95 % interval", "r", around) if has_intervals else None,
        ("seeds", "r", lambda row: str(row["seeds_asked"])) if says_seeds(ranked) else None,
        (f"{written.heading(objective, 'confirmed')} (95 % interval)", "r", confirmed)
        if is_confirmed(ranked)
        else None,
        (written.differences(objective), "r", lambda row: distance(row, best)),
        ("p", "r", lambda row: chance(row["p_value"])) if ranked["p_value"].notna().any() else None,
        *((name, "r", cost_of(costs, number)) for number, name in enumerate(NAMES[: cost_columns(costs)])),
        ("epochs", "r", used),
        ("source", "l", lambda row: cut(row["source"])) if has_sources(ranked) else None,
        ("status", "l", ended),
    ]
    return [column for column in every if column]


def says_seeds(ranked: pd.DataFrame) -> bool:
    """Whether rows of several runs were trained on different numbers of seeds."""
    return "seeds_asked" in ranked and ranked["seeds_asked"].nunique() > 1


def is_confirmed(ranked: pd.DataFrame) -> bool:
    """Whether some rows of several runs were confirmed. A single run has a table of its own for confirmed rows."""
    return "confirmed" in ranked and bool(ranked["confirmed"].notna().any())


def confirmed(row: Row) -> str:
    """The value of a row on fresh seeds, with its interval if there is one."""
    if pd.isna(row["confirmed"]):
        return NOTHING
    objective, bounds = valued.own(row), (row["confirmed_low"], row["confirmed_high"])
    around = "" if pd.isna(bounds[0]) else f" ({written.interval(objective, *bounds)})"
    return written.number(objective, row["confirmed"]) + around


def setting_of(key: str) -> Callable[[Row], str]:
    return lambda row: setting(key, row[key])


def cost_columns(costs: Mapping[int, Sequence[str]]) -> int:
    return max(map(len, costs.values()), default=0)


def cost_of(costs: Mapping[int, Sequence[str]], number: int) -> Callable[[Row], str]:
    return lambda row: costs[row["index"]][number]


def best_value(ranked: pd.DataFrame) -> float | None:
    """The value of the first row, which others are compared with; None if the first row has not finished."""
    if ranked.empty or ranked["status"].iloc[0] != "finished":
        return None
    return float(valued.values(ranked).iloc[0])


def shares_places(ranked: pd.DataFrame) -> bool:
    """Whether some row may have more than one place."""
    return bool((ranked["first_place"] < ranked["last_place"]).any())


def has_sources(ranked: pd.DataFrame) -> bool:
    """Whether the points came from several sources; the baseline is marked anyway."""
    return len(set(ranked["source"]) - {"baseline"}) > 1


def possible_places(row: Row) -> str:
    """The range of possible places as text, such as 2 to 5."""
    if pd.isna(row["first_place"]):
        return NOTHING
    first, last = count(int(row["first_place"])), count(int(row["last_place"]))
    return first if first == last else f"{first} to {last}"


def used(row: Row) -> str:
    """The epochs trained and the epochs allowed, and the best epoch if it is not the last."""
    is_last: bool = pd.isna(row["best_epoch"]) or row["best_epoch"] == row["epochs"]
    return f"{row['epochs']}/{row['epochs_allowed']}" + ("" if is_last else f", best {row['best_epoch']}")


def place(row: Row, is_shared: bool) -> str:
    """The rank of a row; 1 for the best row and the rows tied with it, written 1= if there are several."""
    if not has_value(row):
        return NOTHING
    return ("1=" if is_shared else "1") if row["tied"] else str(row["rank"])


def value(row: Row, best: float | None) -> Words:
    """The value of a row, in bold for the best row."""
    if not has_value(row):
        return NOTHING
    shown = written.number(valued.own(row), valued.value(row))
    return Bold(shown) if is_best(row, best) else shown


def around(row: Row) -> str:
    """The 95 % interval of the value of a row."""
    is_known = has_value(row) and not pd.isna(row["low"])
    return written.interval(valued.own(row), row["low"], row["high"]) if is_known else NOTHING


def distance(row: Row, best: float | None) -> str:
    """The value of a row minus the best value, with its sign."""
    if best is None or not has_value(row) or is_best(row, best):
        return NOTHING
    return written.difference(valued.own(row), valued.value(row) - best)


def is_best(row: Row, best: float | None) -> bool:
    return best is not None and row["rank"] == 1


def has_value(row: Row) -> bool:
    return row["status"] not in LOST and not pd.isna(valued.value(row))


def identifier(row: Row) -> Link:
    """The id of a trial, linked to its folder."""
    return Link(cut(row["id"]), f"trials/{row['folder'].name}")


def named(row: Row) -> Words:
    """The linked id of a trial; the baseline is marked."""
    return (identifier(row), " (baseline)") if row["source"] == "baseline" else identifier(row)


def ended(row: Row) -> str:
    """The status of a row. For a configuration stopped early on some seeds only, also the number of these seeds."""
    stopped, seeds = row.get("stopped_seeds"), row.get("seeds_planned")
    some = row["status"] == "stopped" and stopped is not None and not pd.isna(stopped) and stopped < seeds
    return worded(row["status"]) + (f" on {int(stopped)} of {int(seeds)} seeds" if some else "")


def worded(status: str) -> str:
    """A status as a reader would say it."""
    return WORDS.get(status, status)


def tally(ranked: pd.DataFrame, noun: str = "trial") -> str:
    """The number of rows in all and by status, such as 16 trials: 5 finished, 10 stopped early, 1 diverged."""
    counts = ranked["status"].value_counts(sort=False)  # in order of appearance: best first
    parts = ", ".join(f"{count(int(number))} {worded(str(name))}" for name, number in counts.items())
    return f"{plural(len(ranked), noun)}: {parts}" if parts else f"no {noun}s"
