"""`python -m analysis show`: one trial."""

from analysis.cli.options import Form, RunsDir, Trial, check_format
from search.flags import Flags
from trainables.cli.execution import tell


def show(
    trial: Trial,
    format: Form = "md",
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Print one trial: configuration, curve, outcome, files, and the command that trains it again."""
    check_format(format)
    from analysis import lookup
    from analysis.views import show

    tell(show.show(*lookup.find_or_winner(trial, runs_dir), format))
