"""Options that several commands have, and what they do with them. Loads nothing that takes time."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainables.cli.execution import check_choice, tell
from trainables.cli.options import option

if TYPE_CHECKING:
    from search.run import ledger

Form = Annotated[str, option("md, csv or json")]
RunsDir = Annotated[Path, option("where the runs lie")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="a path, or a name under --runs-dir", show_default=False)]
Trial = Annotated[
    str, typer.Argument(metavar="RUN[/ID]", help="the winner of a run, or one of its trials", show_default=False)
]
Filter = Annotated[str | None, option("rows that fulfil a condition: 'val_accuracy > 0.9 and status == finished'")]
Sort = Annotated[str | None, option("by a column; -COLUMN for the largest first [best first]")]
Top = Annotated[int | None, option("so many rows at most [all]")]
Columns = Annotated[str | None, option("names with commas between; the id is always there")]
Dataset = Annotated[str, option("the run's images, where they are not where they were: folder:PATH")]
DataDir = Annotated[Path, option("where archives lie")]


def check_format(format: str) -> None:
    """Raises UsageError for what nothing is printed as."""
    check_choice("format", format, ("md", "csv", "json"))


def folders_of(runs: list[str], runs_dir: Path) -> list[Path]:
    """The folders of the runs that are named, each once.

    Raises:
        RunError: there is no such run.
    """
    from analysis import lookup

    return list(dict.fromkeys(lookup.run_folder(name, runs_dir).resolve() for name in runs))


def remeasured(runs: "Sequence[ledger.Run]", metric: str) -> "list[ledger.Run]":
    """The runs as if their searches had gone by another metric; what its values are is said."""
    from analysis.frame import remeasured
    from trainables.objective import named

    found = [remeasured.by(run, named(metric)) for run in runs]
    for _, told in found:
        tell(f"note: {told}\n", sys.stderr)
    return [run for run, _ in found]
