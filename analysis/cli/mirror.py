"""`python -m analysis mirror`: a run shown in another tool."""

from typing import Annotated

from analysis.cli.options import Run, RunsDir
from search.flags import Flags
from trainables.cli.options import option


def mirror(
    run: Run,
    to: Annotated[list[str], option("tensorboard, optuna, mlflow or dvc; repeatable", "--to")],
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Show a run in another tool: convert its ledger, adding what is new."""
    from analysis import lookup
    from analysis.mirrors import refreshing

    refreshing.mirror(lookup.run_folder(run, runs_dir), to)
