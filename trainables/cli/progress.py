"""Progress of a long step: a bar on a terminal, plain lines elsewhere. Always on stderr; stdout carries results."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from trainables.cli import streams

Advance = Callable[[int], None]


@contextlib.contextmanager
def meter(what: str, total: int, unit: str, *, bar: bool, done: int = 0) -> Iterator[Advance]:
    """Show the progress of the step `what` while the block runs.

    The block gets a function and calls it, from any thread, with the number of units just done.

    Args:
        unit: "bytes" (shown as MB and MB/s) or a plural noun, such as "images".
        bar: draw a bar if stderr is a terminal. Without a bar one line is printed at the start and one at the end.
        done: units that were done before.
    """
    if bar and sys.stderr.isatty():
        with _drawn(what, total, unit, done) as advance:
            yield advance
        return
    say(f"{what}{f' ({total / 1e6:.0f} MB)' if unit == 'bytes' else ''} ...")
    started = time.monotonic()
    yield lambda _: None
    say(f"{what}: done in {time.monotonic() - started:.1f} s")


def say(line: str) -> None:
    print(one_line(line), file=sys.stderr, flush=True)


def one_line(message: str) -> str:
    """A message as one line: line breaks and control characters become spaces, and several spaces become one."""
    shown = streams.with_bytes(message)
    return " ".join("".join(character if character.isprintable() else " " for character in shown).split())


@contextlib.contextmanager
def _drawn(what: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    from rich import progress
    from rich.console import Console

    counts = [progress.MofNCompleteColumn()]
    amounts = [progress.DownloadColumn(), progress.TransferSpeedColumn()] if unit == "bytes" else counts
    columns = ["{task.description}", progress.BarColumn(12), *amounts, progress.TimeRemainingColumn()]
    with progress.Progress(*columns, console=Console(stderr=True)) as drawn:
        task = drawn.add_task(what, total=total, completed=done)
        yield lambda amount: drawn.advance(task, amount)
