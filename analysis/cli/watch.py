"""`python -m analysis watch`: a search that runs elsewhere."""

from analysis.cli.options import Run, RunsDir
from search.flags import Flags


def watch(
    run: Run,
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Follow a search from another terminal until it is complete. If stdout is not a terminal, print its state once."""
    from rich.console import Console

    from analysis import lookup
    from analysis.views.watch import watch as show

    show(lookup.run_folder(run, runs_dir), Console())
