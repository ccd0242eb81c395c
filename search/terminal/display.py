"""A search on the terminal: a live table if stderr is a terminal, plain lines elsewhere. All output goes to stderr."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from search.run import order
from search.run.ledger import labelled
from search.status import ENDED
from search.stopping.rules import waits
from search.terminal.progress import Progress, TrialProgress
from search.turns import Notify
from trainables import written
from trainables.cli import streams
from trainables.files.durable import Record
from trainables.objective import Objective
from trainables.written import plural

ROWS = 12  # trials in the live table
EVERY = 10.0  # seconds between summary lines off a terminal


@contextlib.contextmanager
def open_console(quiet: bool) -> Iterator[Console]:
    """A console on a copy of stderr, because stderr itself belongs to Ray's log while Ray runs."""
    with streams.lasting(os.dup(2), sys.stderr, closefd=True) as file:
        yield Console(file=file, quiet=quiet)


@contextlib.contextmanager
def shown(progress: Progress, console: Console) -> Iterator[Notify]:
    """Show the progress while the block runs; yields the function to call with each new row and each end of a trial."""
    if not console.is_terminal:
        yield plain_lines(progress, console)
        return

    def notify(index: int, row: Record | None) -> None:
        progress.update(index, row)

    with Live(get_renderable=lambda: render(progress), console=console, refresh_per_second=4):
        yield notify


def plain_lines(progress: Progress, console: Console) -> Notify:
    """A function that prints a line for each trial that ends, and a summary at most once in EVERY seconds."""
    last = time.monotonic()

    def notify(index: int, row: Record | None) -> None:
        nonlocal last
        trial = progress.update(index, row)
        if row is None and (trial.epochs or trial.status in ENDED):  # not of a trial that Ray had not started yet
            console.print(ending(progress, trial), highlight=False, markup=False, soft_wrap=True)
        elif row is not None and time.monotonic() - last >= EVERY:
            console.print(summary(progress), highlight=False, markup=False, soft_wrap=True)
            last = time.monotonic()

    return notify


def ending(progress: Progress, trial: TrialProgress) -> str:
    is_waiting = trial.word == "waiting" and not waits(progress.run.identity.scheduler)
    status = "interrupted" if is_waiting else trial.word
    name, reached = labelled(trial.index, trial.id), value(trial.objective, trial.value)
    return (
        f"trial {name}  {parameters(trial)}{repeated(progress, trial)}  {status} after {trial.epochs} of "
        f"{plural(progress.epochs_each, 'epoch')}  {trial.objective.column} {reached}"
    )


def summary(progress: Progress, idle: str = "starting") -> str:
    """The whole search in one line.

    Args:
        idle: the word for what the search does while no epoch has been seen.
    """
    done = sum(trial.epochs for trial in progress.trials.values())
    count = f"{progress.ended()}/{plural(progress.total(), 'trial')}"
    return "  ".join([count, plural(done, "epoch"), best(progress.leaders()), *pace(progress, idle)])


def best(leaders: Sequence[TrialProgress]) -> str:
    """The best configuration so far, its value, and what the value is a mean of: best 86.21 %, mean of 3 seeds (lr=0.01)."""
    if not leaders:
        return "no epoch yet"
    first, seeds = leaders[0], len(leaders)
    repeat = "fold" if first.fold else "seed"
    noun = f"fresh {repeat}" if first.confirms else repeat
    over = f", mean of {plural(seeds, noun)}" if seeds > 1 or first.confirms else ""
    mean = order.mean(trial.value for trial in leaders)
    return f"best {value(first.objective, mean)}{over} ({parameters(first)})"


def render(progress: Progress, idle: str = "starting") -> Group:
    """The live table: running trials first, then the best of those that ended; `idle` as in `summary`."""
    table = Table(box=None, pad_edge=False)
    for name in ("trial", *progress.run.identity.space_params, "epochs", "best val", "status"):
        table.add_column(name, justify="right" if name in ("epochs", "best val") else "left", no_wrap=True)
    trials = sorted(progress.trials.values(), key=lambda trial: (trial.word != "running", order.of_trial(trial)))
    for trial in trials[:ROWS]:
        values = map(short, trial.searched.values())
        epochs = f"{trial.epochs}/{progress.epochs_each}"
        table.add_row(labelled(trial.index, trial.id), *values, epochs, value(trial.objective, trial.value), trial.word)
    return Group(table, Text(summary(progress, idle)))


def parameters(trial: TrialProgress) -> str:
    return " ".join(f"{key}={short(own)}" for key, own in trial.searched.items() if own != "")


def repeated(progress: Progress, trial: TrialProgress) -> str:
    """The seed or the fold of a trial, if its configuration is trained on several."""
    if trial.fold:
        return f" fold={trial.fold}"
    return f" seed={trial.seed}" if trial.confirms or progress.run.totals.seeds > 1 else ""


def short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def value(objective: Objective, value: float | None) -> str:
    """A value of the objective as text; a dash if there is none."""
    return "–" if value is None else written.value(objective, value)


def pace(progress: Progress, idle: str) -> list[str]:
    """The speed and the time left, as far as they are known; only the word "ended" for a search that is over."""
    if progress.is_over():
        return ["ended"]
    if not progress.trained:
        return [idle]
    seconds = progress.seconds_left()
    if seconds is None:  # of one epoch, most of the time was the start
        return []
    speed = [f"{progress.images_per_second():,.0f} images/s"] if progress.images else []
    return [*speed, f"about {clock(seconds)} left at this pace"]


def clock(seconds: float) -> str:
    """Seconds as text, such as 3m 05s or 2h 07m."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}h {minutes % 60:02d}m" if minutes >= 60 else f"{minutes}m {rest:02d}s"
