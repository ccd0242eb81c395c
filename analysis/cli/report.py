"""`python -m analysis report`: report.html."""

from pathlib import Path
from typing import Annotated

from analysis.cli.options import Run, RunsDir
from search.flags import Flags
from trainables.cli.execution import tell
from trainables.cli.options import option


def report(
    run: Run,
    out: Annotated[Path | None, option("folder for report.html [RUN]")] = None,
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Write RUN/report.html: the results as one offline page, with a sortable table and interactive plots."""
    from analysis import lookup
    from analysis.report import html_page
    from search.run import ledger

    tell(f"{html_page.write(ledger.read(lookup.run_folder(run, runs_dir)), out)}\n")
