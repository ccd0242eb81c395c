"""Update mirrors and send notifications while a search runs, in a separate process.

Because the process is separate, the search neither waits for a mirror nor fails with it. The search starts
`python -m analysis follow RUN` and writes a byte to the stdin of this follower process whenever the ledger has grown. The
follower then reads the run, and spends at most a tenth of its time on readings. When its stdin ends, however the search ended,
the follower reads the run a last time.
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

REST = 9.0  # pause before the next reading, in multiples of the time that the last reading took
LEAST_REST = 1.0  # seconds

Listener = Callable[[Run, Run | None, bool], None]  # the run, the run as read before, and whether the search has ended


@dataclass
class Follower:
    """A receiver of changes of the run: a mirror, or a target of notifications."""

    name: str
    listen: Listener
    heard: Run | None = None
    has_warned: bool = False

    def tell(self, folder: Path, is_end: bool) -> None:
        """Read the run and pass the run to the listener; the first failure is printed on stderr, later ones are silent."""
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
    """A follower that sends notifications to a target."""

    def listen(run: Run, heard: Run | None, is_end: bool) -> None:
        for record in notifications.news(run, heard, is_end):
            notifications.send(target, record)

    return Follower("--notify", listen)


def follow(folder: Path, followers: Sequence[Follower], told: int) -> None:
    """Update the followers whenever bytes arrive on the file descriptor `told`, and a last time when `told` ends."""
    while os.read(told, 1 << 16):
        started = time.monotonic()
        tell_all(folder, followers, is_end=False)
        rest(told, max(LEAST_REST, REST * (time.monotonic() - started)))
    tell_all(folder, followers, is_end=True)


def tell_all(folder: Path, followers: Sequence[Follower], *, is_end: bool) -> None:
    for follower in followers:
        follower.tell(folder, is_end)


def rest(told: int, seconds: float) -> None:
    """Wait some seconds, or until the search closes the pipe `told`."""
    poll = select.poll()
    poll.register(told, select.POLLHUP)
    poll.poll(seconds * 1000)
