"""Write report.html: the content of results.md as one page, with every trial in a sortable table and interactive plots.

The page is a single file and needs no network. Its content security policy forbids loading anything, and allows only the
script whose hash the policy names.
"""

import base64
import hashlib
import html
import json
import statistics
from collections.abc import Collection, Iterable, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

from analysis.frame import network_cost, timing, valued
from analysis.frame.dataframe import Row
from analysis.frame.network_cost import MARK, operation_count
from analysis.frame.ranges import searched
from analysis.frame.timing import Clock
from analysis.plots.kinds import pictures
from analysis.plots.values import axis_of
from analysis.ranking.standing import Standing, stand
from analysis.render.blocks import Blocks, Heading, items
from analysis.render.html import rendered
from analysis.render.markdown import NOTHING, one_line, setting
from analysis.report import pictures_of
from analysis.results import page as results
from analysis.results.rows import all_records
from analysis.results.sections.explanation import behind, over_images
from analysis.results.sections.leaderboard import has_value, place, worded
from search.run.ledger import Run, labelled
from trainables import written
from trainables.errors import DeniedError
from trainables.files import durable
from trainables.objective import Objective
from trainables.written import count, plural

FILE = "report.html"
ABSENT_COLUMNS = ("p", "place")  # columns of the leaderboard that only results.md has
DIGITS = 5  # significant digits of a value in a curve: a pixel is about a thousandth
ABSENT = 'data-v=""'  # marks the cell of a missing value; a column with only such cells is left out
HERE = Path(__file__).parent

Column = tuple[str, str, str]  # name, key for sorting, description


def write(run: Run, folder: Path | None = None) -> Path:
    """Write the page into the run folder, or into another folder, which is created.

    Raises:
        DeniedError: the folder may not be written to.
        StorageError: the disk refused; an old page stays as it was.
    """
    path = (folder or run.folder) / FILE
    content = page(run).encode()
    try:
        if folder is not None:
            durable.make_folder(folder)
        durable.write(path, content)
    except DeniedError as error:
        raise DeniedError(f"cannot write: {path}: it is not writable. Name another folder: --out DIR.") from error
    return path


def page(run: Run) -> str:
    """The whole page as HTML."""
    where, objective = stand(run), run.identity.objective
    rows, times = [row | {"objective": objective} for row in all_records(where)], timing.clocks(run)
    style, script = ((HERE / f"report.{kind}").read_text("utf-8") for kind in ("css", "js"))
    policy = f"default-src 'none'; img-src data:; style-src '{digest(style)}'; script-src '{digest(script)}'"
    plots = pictures(run, where)
    found = results.page(run, where, plots.keys() - {"mistakes"})  # the mistakes follow below, in a grid
    on = f" on {run.identity.dataset_title}" if run.identity.has_images else ""
    title = shown(f"{run.name}: {run.identity.space}{on}")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{rendered(found.above, run.folder)}
{trials(where, rows, times, network_cost.front(where.board, where.trials))}
{rendered((*reading(run, where, plots), *found.below), run.folder)}{pictures_of.of_run(run, where)}
</main>
<script type="application/json" id="data">{embedded(values(run, rows, where.keys))}</script>
<script>{script}</script>
</body>
</html>
"""


def digest(text: str) -> str:
    """The hash of a text as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def embedded(value: Any) -> str:
    """A value as JSON that is safe inside an HTML element: no character of the JSON can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def reading(run: Run, where: Standing, plots: Collection[str]) -> Blocks:
    """Explain the table's columns, and list the files and the plots that the page's script does not draw.

    The table of this page has one row for each trial. Columns in ABSENT_COLUMNS are not in this table and are not explained.
    """
    if where.trials.empty:
        return ()
    notes, seeds = results.meaning(run, where), run.totals.seeds
    if seeds > 1:
        images = 0 if run.identity.folds else run.identity.val_images
        notes["val %"] = over_images(images, run.identity.objective, where.trials, is_picked=False)
        notes["#"] = f"#: of the configuration, by the mean over its {seeds} {run.identity.repeat}s."
    else:
        notes["#"] = "1=: no test tells the row from the best; results.md has the p of each test."
    absent = f" {behind(run.identity.objective)}"  # the column of differences, too
    kept = [
        words.replace(absent, "") if isinstance(words, str) else words
        for about, words in notes.items() if about not in ABSENT_COLUMNS
    ]  # fmt: skip
    told = (*items(kept), results.files(run, where), *results.beside_board(run, plots))
    return Heading("How to read the table"), *told


def trials(where: Standing, rows: Sequence[Row], times: dict[int, Clock], front: set[int]) -> str:
    """The interactive part of the page: a filter, the plots and the table of all trials."""
    keys, is_shared = where.keys, int(where.board["tied"].sum()) > 1
    if not rows:
        return ""
    cells = [cells_of(row, keys, times.get(row["index"]), is_shared, row["index"] in front) for row in rows]
    there = [any(ABSENT not in row[place] for row in cells) for place in range(len(cells[0]))]
    body = "\n".join(line(row, compress(own, there)) for row, own in zip(rows, cells, strict=True))
    header = "".join(heading(name, text) for name, text in compress(columns(keys, valued.own(rows[0])), there))
    return f"""<h2>Trials</h2>
<p>{shown(spent(rows, times))}</p>
<div class="bar"><input id="filter" type="search" placeholder="lr > 1e-3 and finished" aria-label="filter trials">
<output id="shown"></output><label><input id="whole" type="checkbox"> whole range</label></div>
<p id="filter-help">Filter by words or by conditions on columns, joined by <code>and</code>. The plots show the same trials.
A click on a row, a curve or a dot shows that trial.
<span class="key finished">●</span> finished <span class="key">●</span> stopped or not ended
<span class="key other">●</span> diverged <span class="key picked">●</span> chosen</p>
<p id="chosen" aria-live="polite"></p>
<div id="curves" class="plot wide"></div>
<div id="scatters"></div>
<div class="table"><table id="trials"><thead><tr>{header}</tr></thead>
<tbody>
{body}
</tbody></table></div>"""


def columns(keys: Sequence[str], objective: Objective) -> list[tuple[str, str]]:
    """The name (as a filter condition uses it) and the heading of each column."""
    ends = [
        (objective.column, written.heading(objective)),
        ("low", "95 % interval"),
        ("parameters", "params"),
        ("flops", "FLOPs"),
        ("best_epoch", "best epoch"),
        ("epochs", "epochs"),
    ]
    clocks = [
        ("status", "status"),
        ("seconds", "time"),
        ("images_per_second", "images/s"),
        ("latency_ms", "latency ms"),
        ("source", "source"),
    ]
    return [("rank", "#"), ("id", "id"), *((key, key) for key in keys), *ends, *clocks]


def heading(name: str, text: str) -> str:
    return f'<th scope="col" data-name="{shown(name)}"><button type="button">{shown(text)}</button></th>'


def line(row: Row, cells: Iterable[str]) -> str:
    return f'<tr data-index="{row["index"]}" tabindex="0" class="{shown(row["status"])}">{"".join(cells)}</tr>'


def cells_of(row: Row, keys: Sequence[str], time: Clock | None, is_shared: bool, is_front: bool) -> list[str]:
    """The cells of one row; each cell carries the value by which its column is sorted."""
    folder = f"trials/{labelled(row['index'], row['id'])}"
    baseline = " (baseline)" if row["source"] == "baseline" else ""
    name = f'<a href="{shown(folder)}">{shown(row["id"])}</a>{baseline}'
    rank = NOTHING if row["rank"] is None else place({**row, "tied": row["tied_with_best"]}, is_shared)
    objective = valued.own(row)
    value = valued.value(row) if has_value(row) else None
    bounds = [row[f"{objective.column}_{end}"] if has_value(row) else None for end in ("low", "high")]
    ends = [written.number(objective, end) for end in bounds if end is not None]
    interval = " – ".join(ends) or NOTHING
    latency, star = time.latency if time else None, f" {MARK}" if is_front else ""
    size, operations = row.get("parameters"), row.get("flops")
    costs = [
        cell(size, NOTHING if size is None else count(size) + star),
        cell(operations, NOTHING if operations is None else operation_count(operations)),
    ]
    speed = time.images_per_second if time else None
    return [
        cell(row["rank"], rank), f'<td data-v="{shown(row["id"])}">{name}</td>',
        *(cell(row[key], setting(key, row[key])) for key in keys),
        cell(value, NOTHING if value is None else written.number(objective, value)),
        cell(bounds[0], interval), *costs, cell(row["best_epoch"], row["best_epoch"] or NOTHING),
        cell(row["epochs"], f"{row['epochs']}/{row['epochs_allowed']}"), cell(row["status"], worded(row["status"])),
        cell(time and round(time.seconds, 3), timing.words(time.seconds) if time else NOTHING),
        cell(speed, NOTHING if speed is None else count(round(speed))),
        cell(latency and round(1000 * latency, 4), timing.milliseconds(latency)),
        cell(row["source"], row["source"]),
    ]  # fmt: skip


def cell(value: Any, text: Any) -> str:
    """A table cell as HTML; a number is aligned right, any other value left."""
    kind = ' class="number"' if isinstance(value, int | float) and not isinstance(value, bool) else ""
    return f'<td{kind} data-v="{"" if value is None else shown(value)}">{shown(text)}</td>'


def shown(value: Any) -> str:
    """A value as visible text, escaped for HTML."""
    return html.escape(one_line(value))


def plain(value: Any) -> Any:
    """A value for JSON; a text becomes visible text on one line."""
    return one_line(value) if isinstance(value, str) else value


def spent(rows: Sequence[Row], times: dict[int, Clock]) -> str:
    """The training time, the speed and the devices of all trials, in words."""
    if not times:
        return "No times are recorded in this copy of the run."
    seconds = sum(time.seconds for time in times.values())
    speeds = [time.images_per_second for time in times.values() if time.images_per_second is not None]
    devices = ", ".join(sorted({time.device for time in times.values()}))
    told = f"{plural(len(rows), 'trial')}: {timing.words(seconds)} of training in all"
    if not speeds:
        return f"{told}, on {one_line(devices)}."
    speed = statistics.median(speeds)
    return (
        f"{told}, "
        f"{count(round(speed))} images/s in the median trial, on {one_line(devices)}. Latency is the median time in which a "
        "finished network classifies one image, measured when its training ended, beside whatever else ran then."
    )


def values(run: Run, rows: Sequence[Row], keys: Sequence[str]) -> dict[str, Any]:
    """The data for the page's plots: the names of the parameters, and each trial with its curve and parameter values."""
    values, objective = {trial.index: trial.values for trial in run.trials}, run.identity.objective
    curves = [
        {
            "index": row["index"], "id": row["id"], "rank": row["rank"], "status": row["status"],
            "best": valued.value(row) if has_value(row) else None, "settings": [plain(row[key]) for key in keys],
            "curve": [float(f"{value:.{DIGITS}g}") for value in values[row["index"]]],
        }
        for row in rows
    ]  # fmt: skip
    log = [one_line(key) for key, own in searched(run).items() if own.whole.log]
    return {"keys": [one_line(key) for key in keys], "log": log, "value": axis_of(objective), "trials": curves}
