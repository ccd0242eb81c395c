"""A search seen from another terminal, from its ledger alone."""

import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from analysis.mirrors import changed
from search import display, ledger
from search.ledger import Run
from search.progress import Progress

EVERY = 2.0  # seconds between readings


def watch(folder: Path, console: Console) -> None:
    """Show the run until it is complete; once only where the console is no terminal.

    Raises:
        RunError: the folder is no run or is damaged.
    """
    run = ledger.read(folder)
    progress = seen(run)
    if not console.is_terminal:
        console.print(display.render(progress))
        return
    with Live(get_renderable=lambda: display.render(progress), console=console, refresh_per_second=1):
        while not run.complete:
            time.sleep(EVERY)
            before, run = run, ledger.read(folder)
            if len(run.trials) != len(before.trials) or run.totals != before.totals:
                progress = seen(run)
            update(progress, run, before)


def seen(run: Run) -> Progress:
    """The progress of a run whose trials are where their ledgers say; a search starts with none running."""
    progress = Progress(run)
    for trial in run.trials:
        progress.trials[trial.index].status = trial.status
    return progress


def update(progress: Progress, run: Run, before: Run) -> None:
    """Tell the progress what its search was told: each new row, and each ending."""
    for trial in changed(run, before):
        for row in trial.epochs[progress.trials[trial.index].epochs :]:
            progress.update(trial.index, row)
        if trial.ended:
            progress.update(trial.index, None)
