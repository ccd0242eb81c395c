"""`python -m analysis watch`: a search that runs elsewhere."""

from analysis.cli.options import Run, RunsDir
from search.flags import Flags


def watch(
    run: Run,
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Follow a search from another terminal until it is complete; printed once where stdout is no terminal."""
    from rich.console import Console

    from analysis.results import across_runs
    from analysis.views.watch import watch as show

    show(across_runs.find(run, runs_dir), Console())
