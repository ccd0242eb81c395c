"""Mirrors and news of a search while it runs, in a process of their own, so that the search neither waits nor fails for them.

The search starts `python -m analysis follow RUN` and writes a byte to its stdin whenever the ledger has grown. The follower
reads the run then, at most a tenth of the time, and a last time when its stdin ends, however the search ended.
"""

import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.mirrors import notifications, refreshing
from search.run import ledger
from search.run.ledger import Run
from trainables.files import durable

REST = 9.0  # times as long as the last reading took, before the next
LEAST_REST = 1.0  # seconds

Listener = Callable[[Run, Run | None, bool], None]  # the run, the same as heard last, and whether the search has ended


@dataclass
class Follower:
    """One who wants to hear of the run: a mirror, or somebody to be notified."""

    name: str
    listen: Listener
    heard: Run | None = None
    has_warned: bool = False

    def tell(self, folder: Path, is_end: bool) -> None:
        """Read the run and pass it on. The first failure is a line on stderr, later ones are silent."""
        try:
            run = ledger.read(folder)
            self.listen(run, self.heard, is_end)
            self.heard = run
        except Exception as error:  # whatever another tool raises, the search goes on
            if not self.has_warned:
                print(f"warning: {self.name} is behind: {first_line(error)}", file=sys.stderr, flush=True)
            self.has_warned = True


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def mirroring(name: str) -> Follower:
    """A follower that keeps a mirror up to date."""

    def listen(run: Run, heard: Run | None, is_end: bool) -> None:
        with durable.folder_lock(run.folder):
            refreshing.find(name)(run, heard)

    return Follower(name, listen)


def notifying(target: str) -> Follower:
    """A follower that passes the news on."""

    def listen(run: Run, heard: Run | None, is_end: bool) -> None:
        for record in notifications.news(run, heard, is_end):
            notifications.send(target, record)

    return Follower("--notify", listen)


def follow(folder: Path, followers: Sequence[Follower], told: int) -> None:
    """Tell the followers of the run whenever a byte comes from the file descriptor `told`, and when it ends."""
    while os.read(told, 1 << 16):
        started = time.monotonic()
        tell_all(folder, followers, is_end=False)
        rest(told, max(LEAST_REST, REST * (time.monotonic() - started)))
    tell_all(folder, followers, is_end=True)


def tell_all(folder: Path, followers: Sequence[Follower], *, is_end: bool) -> None:
    for follower in followers:
        follower.tell(folder, is_end)


def rest(told: int, seconds: float) -> None:
    """Wait, but not beyond the end of the search."""
    poll = select.poll()
    poll.register(told, select.POLLHUP)
    poll.poll(seconds * 1000)
