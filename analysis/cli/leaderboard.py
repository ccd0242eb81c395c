"""`python -m analysis leaderboard`: the results of a run written again and printed, or one ranking over several runs."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.cli.options import Columns, Filter, Form, Metric, RunsDir, Sort, Top, check_format, folders_of, runs_by
from analysis.cli.writing import write_if_allowed
from search.flags import Flags
from trainables.cli.execution import tell
from trainables.cli.options import option

if TYPE_CHECKING:
    from analysis.views.selection import Selection


def leaderboard(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="paths, or names under --runs-dir", show_default=False)
    ],
    format: Form = "md",
    filter: Filter = None,
    sort: Sort = None,
    top: Top = None,
    columns: Columns = None,
    metric: Metric = None,
    stale: Annotated[bool, option("change nothing; only check whether results.md is up to date", "--stale")] = False,
    runs_dir: RunsDir = Flags.runs_dir,
) -> int:
    """Rebuild the results of a run and print its leaderboard, or print one ranking over several runs.

    With --stale, write nothing: print each results.md that is out of date. The exit code is 1 if there is one.
    """
    check_format(format)
    gc.disable()  # half a million rows are no garbage, however often they are looked through, and the process ends soon
    from analysis.plots import drawing_process
    from analysis.ranking import standing  # pandas loads here, after the arguments are known to be good
    from analysis.results import files, printed
    from analysis.views import selection
    from search.run import ledger

    asked = selection.Selection(filter=filter, sort=sort, top=top, columns=columns)
    folders = folders_of(runs, runs_dir)
    if metric is not None:
        by_another(folders, metric, format, asked)
        return 0
    if stale:
        old = [folder for folder in folders if files.is_stale(ledger.read(folder))]
        tell("".join(f"stale: {folder / 'results.md'}\n" for folder in old))
        return int(bool(old))
    with drawing_process.for_one_of_many(folders) as ask:
        found = [ledger.read(folder) for folder in folders]
        where = standing.stand(found[0]) if len(found) == 1 else None
        # shown first, so that of a run that cannot be written to at least that is there
        tell(printed.show(found, format, where) if asked.is_everything else selection.listed(found, format, asked))
        if where:
            write_if_allowed(lambda: files.write_files(found[0], where, ask))
    return 0


def by_another(folders: Sequence[Path], metric: str, format: str, asked: "Selection") -> None:
    """Print the ranking of runs by another metric than their searches went by."""
    from analysis.results import printed
    from analysis.views import selection

    runs = runs_by(folders, metric)
    tell(printed.show(runs, format) if asked.is_everything else selection.listed(runs, format, asked))
