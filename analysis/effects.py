"""What mattered: the importance of each searched parameter beside that of chance, and the accuracy over its levels and thirds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.importance import BEST, SHUFFLES, Mattered
from analysis.markdown import NOTHING, count, escape, percent, plural, setting, table
from analysis.ranges import Range, ranges
from analysis.standing import Standing
from search.ledger import Run

THIRDS = ("lowest third", "middle third", "highest third")
MOST = 8  # levels of a choice that are shown


def section(run: Run, where: Standing, importance: Mattered | None) -> str:
    """Tables with the parameter that mattered most first; nothing for a search of fewer than three values."""
    keys = list(importance.parameters) if importance else list(run.identity["space_params"])
    valued = where.board[where.board["status"].isin(["finished", "stopped"])].dropna(subset="val_accuracy")
    keys = [key for key in keys if key in valued and valued[key].map(repr).nunique() > 1]
    if len(valued) < 3 or not keys or where.best is None:
        return ""
    known = ranges(run)
    cut = {key: known[key] for key in keys if key in known and is_wide(known[key])}
    header = ["parameter", *(["importance", "by chance"] if importance else []), "best"]
    rows = [[escape(key), *shares(importance, key), setting(key, where.best[key])] for key in keys]
    align = "l" + ("rr" if importance else "") + "r"
    if len(cut) < len(keys):
        header, align = [*header, "best val % at each level"], align + "l"
        levels = ["in thirds, below" if key in cut else at_levels(valued, key) for key in keys]
        rows = [[*row, cell] for row, cell in zip(rows, levels, strict=True)]
    parts = [
        "## What mattered",
        table(header, rows, align),
        words(importance, run.totals["seeds"]),
        slices(valued, cut),
    ]
    return "\n\n".join(filter(None, parts))


def is_wide(own: Range) -> bool:
    """Whether it is an interval of more values than have room one by one."""
    return not own.values and not (own.whole and own.high - own.low < MOST)


def shares(importance: Mattered | None, key: str) -> list[str]:
    """The share of a parameter, in bold if it is more than chance, and the largest by chance."""
    if importance is None:
        return []
    own = importance.parameters[key]
    share = f"**{own.share:.2f}**" if own.matters else f"{own.share:.2f}"
    return [share, f"{own.noise:.2f}" if own.noise <= 1 else "over 1"]


def at_levels(rows: pd.DataFrame, key: str) -> str:
    """The best accuracy at each value, in their order, the highest in bold."""
    best: dict[tuple[Any, str], float] = {}
    for own, value in zip(rows[key], rows["val_accuracy"], strict=True):
        name = sortable(own), setting(key, own)
        best[name] = max(value, best.get(name, 0.0))
    order, top = sorted(best, key=lambda name: name[0]), max(best.values())
    texts = {name: f"{name[1]}: {percent(best[name])}" for name in order[:MOST]}
    shown = [f"**{text}**" if best[name] == top else text for name, text in texts.items()]
    return " · ".join(shown) + (f" · and {count(len(order) - MOST)} more" if len(order) > MOST else "")


def sortable(value: Any) -> tuple[int, float, str]:
    """Numbers before names, and what is absent last."""
    if value is None:
        return 2, 0.0, ""
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1, 0.0, str(value)


def slices(rows: pd.DataFrame, cut: Mapping[str, Range]) -> str:
    """The best and the median accuracy in each third of the intervals, the highest of a row in bold."""
    if not cut:
        return ""
    cells = [[escape(key), edges(key, own), *thirds(rows, key, own)] for key, own in cut.items()]
    return "\n\n".join([
        table(["parameter", "range and its cuts", *THIRDS], cells, "llrrr"),
        "Thirds of the range, on its logarithmic scale where it has one: best / median val % (number of "
        "configurations); those stopped early count with what they had reached.",
    ])  # fmt: skip


def edges(key: str, own: Range) -> str:
    """Where the thirds begin and end."""
    return " · ".join(setting(key, own.at(place / 3)) for place in range(4))


def thirds(rows: pd.DataFrame, key: str, own: Range) -> list[str]:
    """A cell for each third; a value outside of the range belongs to the next third."""
    present = rows[rows[key].notna()]
    place = present[key].map(lambda value: min(2, max(0, int(own.position(value) * 3))))
    parts = [present["val_accuracy"][place == third] for third in range(3)]
    bests, medians = ([getattr(part, what)() for part in parts] for what in ("max", "median"))
    return [
        f"{bold(best, bests)} / {bold(median, medians)} ({count(len(part))})" if len(part) else NOTHING
        for best, median, part in zip(bests, medians, parts, strict=True)
    ]


def bold(value: float, others: Sequence[float]) -> str:
    """In bold if it is the highest; what is not there is NaN."""
    return f"**{percent(value)}**" if value >= np.nanmax(others) else percent(value)


def words(importance: Mattered | None, seeds: int) -> str:
    """What importance is."""
    if importance is None:
        return ""
    what = "trials by their best accuracy" if seeds == 1 else "configurations by the mean of their seeds' best accuracy"
    return (
        f"importance: how unlike all values those of the best {100 * BEST:.0f} % are (PED-ANOVA), as a share of all, over "
        f"{count(importance.configurations)} {what} within {plural(importance.epoch, 'epoch')}. by chance: "
        f"the largest share in {SHUFFLES} shuffles of the accuracies; what is not above it (not in bold) may be nothing."
    )
