"""Progress of a long step: a bar on a terminal, plain lines elsewhere. Always on stderr; stdout carries results."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from trainables.cli import streams

Advance = Callable[[int], None]


@contextlib.contextmanager
def meter(what: str, total: int, unit: str, *, bar: bool, done: int = 0) -> Iterator[Advance]:
    """Show the step `what` while the block runs; call what it gives with the number of units just done (any thread).

    Args:
        unit: "bytes" (shown as MB and MB/s) or the plural of what is counted.
        bar: draw a bar if stderr is a terminal; otherwise, and elsewhere, one line at the start and one at the end.
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
    """Line breaks and control characters would break the promise of one line, or move a terminal's cursor."""
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
