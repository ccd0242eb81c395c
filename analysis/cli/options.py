"""Options that several commands have, and what they do with them. Loads nothing that takes time."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainables.cli.execution import check_choice, tell
from trainables.cli.options import option
from trainables.errors import UsageError

if TYPE_CHECKING:
    from search.run.ledger import Run as Recorded

Form = Annotated[str, option("md, csv or json")]
RunsDir = Annotated[Path, option("folder of the runs")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="a path, or a name under --runs-dir", show_default=False)]
Trial = Annotated[
    str, typer.Argument(metavar="RUN[/ID]", help="the winner of a run, or one of its trials", show_default=False)
]
Filter = Annotated[
    str | None, option("print only rows that meet a condition: 'val_accuracy > 0.9 and status == finished'")
]
Sort = Annotated[str | None, option("sort by a column; -COLUMN puts the largest first [best first]")]
Top = Annotated[int | None, option("print at most this many rows [all]")]
Columns = Annotated[str | None, option("comma-separated columns to print; id is always printed")]
Metric = Annotated[str | None, option("rank by another metric than the search did; changes no file")]
Dataset = Annotated[str, option("where the run's images are now, if they have moved: folder:PATH")]
DataDir = Annotated[Path, option("folder of data archives")]


def check_format(format: str) -> None:
    """Raises UsageError for an unknown format."""
    check_choice("format", format, ("md", "csv", "json"))


def folders_of(runs: list[str], runs_dir: Path) -> list[Path]:
    """The folders of the runs that are named, each once.

    Raises:
        RunError: there is no such run.
    """
    from analysis import lookup

    return list(dict.fromkeys(lookup.run_folder(name, runs_dir).resolve() for name in runs))


def runs_by(folders: Sequence[Path], metric: str) -> "list[Recorded]":
    """The runs ranked by another metric; a note on stderr says what their values are.

    Raises:
        UsageError: there is no such metric, or a run is of own training, which leaves no predictions.
    """
    from analysis.frame import remeasured
    from search.run import ledger
    from trainables.objective import named

    objective, runs = named(metric), [ledger.read(folder) for folder in folders]
    if own := [run.name for run in runs if not run.identity.has_images]:
        raise UsageError(
            f"--metric {metric}: {own[0]} trains by itself and keeps no predictions to measure. Leave --metric out."
        )
    found = [remeasured.by(run, objective) for run in runs]
    for _, told in found:
        tell(f"note: {told}\n", sys.stderr)
    return [run for run, _ in found]
