"""`python -m analysis compare`: runs side by side."""

from typing import Annotated

import typer

from analysis.cli.options import Columns, Filter, Form, Metric, RunsDir, Sort, Top, check_format, folders_of, runs_by
from search.flags import Flags
from trainables.cli.execution import tell
from trainables.errors import UsageError


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="two or more, paths or names", show_default=False)
    ],
    format: Form = "md",
    filter: Filter = None,
    sort: Sort = None,
    top: Top = None,
    columns: Columns = None,
    metric: Metric = None,
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Compare runs: whether they have the same winner, the best value by epochs spent, and the shared settings."""
    check_format(format)
    from analysis.views import compare, selection
    from search.run import ledger

    asked = selection.Selection(filter=filter, sort=sort, top=top, columns=columns)
    folders = folders_of(runs, runs_dir)
    if len(folders) < 2:
        raise UsageError("compare needs at least two different runs. See python -m analysis show for one.")
    found = [ledger.read(folder) for folder in folders] if metric is None else runs_by(folders, metric)
    tell(compare.show(found, format, asked))
