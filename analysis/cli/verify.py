"""`python -m analysis verify`: whether a run folder is sound."""

from analysis.cli.options import Run, RunsDir
from search.flags import Flags
from trainables.cli.execution import tell
from trainables.errors import RunError


def verify(
    run: Run,
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Check a run folder: every line, checksum and decision. The first fault is the error; the exit code is 5."""
    from analysis import lookup
    from analysis.verify.run_folder import remedy
    from analysis.verify.run_folder import verify as violations

    folder = lookup.run_folder(run, runs_dir)
    found = violations(folder)
    if found:
        raise RunError(f"not sound: {found[0]} ({len(found)} in all). {remedy(run, found)}")
    tell(f"{folder}: sound\n")
