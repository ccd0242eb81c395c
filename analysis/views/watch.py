"""Show a running search in another terminal, from the search's ledger alone."""

import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from analysis.mirrors.refreshing import changed
from analysis.render import commands
from search.run import ledger
from search.run.confirmation import is_complete
from search.run.ledger import Run
from search.run.lock import held
from search.terminal import display
from search.terminal.progress import Progress

EVERY = 2.0  # seconds between readings


def watch(folder: Path, console: Console) -> None:
    """Show the progress of a run until the run is complete; only once if the console is no terminal.

    Raises:
        RunError: the folder is no run or is damaged.
    """
    run = ledger.read(folder)
    progress, idle = seen(run)
    if not console.is_terminal:
        console.print(display.render(progress, idle))
        return
    with Live(get_renderable=lambda: display.render(progress, idle), console=console, refresh_per_second=1):
        while not is_complete(run):
            time.sleep(EVERY)
            before, run = run, ledger.read(folder)
            if held(folder) is False or len(run.trials) != len(before.trials) or run.totals != before.totals:
                progress, idle = seen(run)
            update(progress, run, before)


def seen(run: Run) -> tuple[Progress, str]:
    """The progress of a run from its ledgers as they are now, and a text that is shown until the next epoch arrives.

    If no process trains the run, its trials count as waiting, no speed is shown, and the text has the command to continue.
    """
    progress = Progress(run)
    if held(run.folder) is False:
        return progress, f"nothing trains it now; to go on: {commands.resume(run, commands.shortest(run.folder))}"
    for trial in run.trials:
        progress.trials[trial.index].is_heard = True
    return progress, "training"


def update(progress: Progress, run: Run, before: Run) -> None:
    """Pass each new epoch and each end of a trial to the progress."""
    for trial in changed(run, before):
        for row in trial.epochs[progress.trials[trial.index].epochs :]:
            progress.update(trial.index, row)
        if trial.ended:
            progress.update(trial.index, None)
