"""`python -m analysis compare`: runs side by side."""

from typing import Annotated

import typer

from analysis.cli.options import Columns, Filter, Form, RunsDir, Sort, Top, check_format, folders_of, remeasured
from search.flags import Flags
from trainables.cli.execution import tell
from trainables.cli.options import option
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
    metric: Annotated[str | None, option("rank by another metric than the searches did")] = None,
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Print runs side by side: same winner or not, the best by epochs spent, the settings they share."""
    check_format(format)
    from analysis.views import compare, selection
    from search.run import ledger

    asked = selection.Selection(filter=filter, sort=sort, top=top, columns=columns)
    folders = folders_of(runs, runs_dir)
    if len(folders) < 2:
        raise UsageError("compare needs at least two different runs. See python -m analysis show for one.")
    found = [ledger.read(folder) for folder in folders]
    tell(compare.show(found if metric is None else remeasured(found, metric), format, asked))
