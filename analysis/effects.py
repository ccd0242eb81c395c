"""What mattered: the importance of each searched parameter beside that of chance, and the best accuracy at each level of it."""

from typing import Any

import pandas as pd

from analysis.importance import BEST, SHUFFLES, Mattered
from analysis.markdown import NOTHING, count, escape, percent, plural, setting, table
from analysis.ranges import Range, ranges
from analysis.standing import Standing
from search.ledger import Run

LEVELS = 4  # parts of an interval
MOST = 8  # levels of a choice that are shown


def section(run: Run, where: Standing, importance: Mattered | None) -> str:
    """A table with the parameter that mattered most first; nothing for a search of fewer than three values."""
    keys = list(importance.parameters) if importance else list(run.identity["space_params"])
    valued = where.board[where.board["status"].isin(["finished", "stopped"])].dropna(subset="val_accuracy")
    keys = [key for key in keys if key in valued and valued[key].map(repr).nunique() > 1]
    if len(valued) < 3 or not keys or where.best is None:
        return ""
    header = [
        "parameter",
        *(["importance", "by chance"] if importance else []),
        "best",
        "best val % at each level, low to high",
    ]
    rows = [
        [escape(key), *shares(importance, key), setting(key, where.best[key]), levels(run, valued, key)] for key in keys
    ]
    align = "l" + ("rr" if importance else "") + "rl"
    return "\n\n".join(filter(None, ["## What mattered", table(header, rows, align), words(importance)]))


def shares(importance: Mattered | None, key: str) -> list[str]:
    """The share of a parameter, in bold if it is more than chance, and the largest by chance."""
    if importance is None:
        return []
    own = importance.parameters[key]
    share = f"**{own.share:.2f}**" if own.matters else f"{own.share:.2f}"
    return [share, f"{own.noise:.2f}" if own.noise <= 1 else "over 1"]


def levels(run: Run, rows: pd.DataFrame, key: str) -> str:
    """The best accuracy in each part of a range, the highest in bold."""
    names = level_of_each(ranges(run).get(key), rows, key)
    best: dict[tuple[Any, str], float] = {}
    for name, value in zip(names, rows["val_accuracy"], strict=True):
        best[name] = max(value, best.get(name, 0.0))
    order, top = sorted(best, key=lambda name: name[0]), max(best.values())
    texts = {name: f"{name[1]}: {percent(best[name])}" for name in order[:MOST]}
    shown = [f"**{text}**" if best[name] == top else text for name, text in texts.items()]
    return " · ".join(shown) + (f" · and {count(len(order) - MOST)} more" if len(order) > MOST else "")


def level_of_each(own: Range | None, rows: pd.DataFrame, key: str) -> list[tuple[Any, str]]:
    """The level of each row: a sortable place and its name."""
    values = rows[key].tolist()
    if own is None or own.values or (own.whole and own.high - own.low < MOST):
        return [(sortable(value), setting(key, value)) for value in values]
    return [part(own, key, value) for value in values]


def sortable(value: Any) -> tuple[int, float, str]:
    """Numbers before names, and what is absent last."""
    if value is None:
        return 2, 0.0, ""
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1, 0.0, str(value)


def part(own: Range, key: str, value: Any) -> tuple[tuple[int, float, str], str]:
    """Which of LEVELS equal parts of an interval a value lies in, and where that part begins and ends."""
    if value is None:
        return (2, 0.0, ""), NOTHING
    place = min(LEVELS - 1, max(0, int(own.position(value) * LEVELS)))
    low, high = own.at(place / LEVELS), own.at((place + 1) / LEVELS)
    return (0, float(place), ""), f"{setting(key, low)} to {setting(key, high)}"


def words(importance: Mattered | None) -> str:
    """What importance is."""
    if importance is None:
        return ""
    return (
        f"importance: how unlike all values those of the best {100 * BEST:.0f} % are (PED-ANOVA), as a share of all, over "
        f"{count(importance.trials)} trials by their best accuracy within {plural(importance.epoch, 'epoch')}. by chance: "
        f"the largest share in {SHUFFLES} shuffles of the accuracies; what is not above it (not in bold) may be nothing."
    )
