"""Signs of life: a worker touches a file while it trains, and the search kills a worker that no longer does. No Ray.

Ray has no such check, so a hung or frozen worker would hold its slot for ever. Files are used because they work wherever the
run folder works. The search only looks whether a time stamp has changed, so the clocks of different machines need not agree.
"""

import contextlib
import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trainables.errors import RayError

EVERY = 1.0  # seconds between two signs, and between two looks
START_HERE = (
    180.0  # seconds without any worker before Ray counts as hung: a message that Ray loses can cost it a slot for good
)
START_ON_CLUSTER = 600.0  # the same where a node may have to be started first


@contextlib.contextmanager
def beating(path: Path) -> Iterator[Callable[[int, int], None]]:
    """Show that this process trains: yield a function to call after each batch. Errors of the disk are ignored.

    The file is removed when the training ends, but not when an error ends the training. A file that stays says that the
    training had begun.
    """
    last = time.monotonic()

    def beat(done: int, batches: int) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(path)

    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        whole = path.with_name(f".{path.name}")
        whole.write_text(f"{os.getpid()} {socket.gethostname()}\n")
        whole.replace(path)
    is_error = False
    try:
        yield beat
    except Exception:
        is_error = True
        raise
    finally:
        if not is_error:
            with contextlib.suppress(OSError):
                path.unlink()


@dataclass
class Pulse:
    """What is known of the worker of one trial; times are by the clock of the search's process."""

    process: str  # id and host: several trials may be of one
    stamp: int  # of its file, when it was last looked at
    changed: float  # when that was new
    epoch_began: float

    def is_silent(self, now: float, limit: float) -> bool:
        """Whether the worker gave no sign for longer than `limit`, and for longer than it had trained in this epoch.

        The second condition leaves time for the validation, which gives no sign.
        """
        return now - self.changed > max(limit, self.changed - self.epoch_began)


class Watchdog:
    """Watches the workers of one attempt.

    Args:
        folder: the folder of the workers' files.
        limit: seconds without a sign of life after which a worker is killed.
        start: seconds without any worker after which Ray counts as hung.
        kill: ends a process, given its id and host.
    """

    def __init__(
        self,
        folder: Path,
        limit: float,
        start: float,
        kill: Callable[[int, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._limit, self._start, self._kill, self._clock = folder, limit, start, kill, clock
        self._pulses: dict[int, Pulse] = {}
        self._looked = self._alive = clock()
        self._ended: dict[str, float] = {}  # when a turn was over in this process
        self.killed: set[int] = set()  # trials whose worker was killed, until somebody takes them out

    def epoch_ended(self, trial: int) -> None:
        """Note that a trial has reported an epoch."""
        self._alive = self._clock()
        if trial in self._pulses:
            self._pulses[trial].epoch_began = self._pulses[trial].changed = self._alive

    def turn_ended(self, trial: int) -> None:
        """Note that no worker trains this trial any more, and remove its file."""
        self._alive = self._clock()
        if pulse := self._pulses.pop(trial, None):
            self._ended[pulse.process] = self._alive
        with contextlib.suppress(OSError):
            (self._folder / str(trial)).unlink()

    def began(self, trial: int) -> bool:
        """Whether the worker of this trial had begun to train before it died."""
        return (self._folder / str(trial)).exists()

    def look(self) -> None:
        """Kill the workers that have been silent for too long.

        Raises:
            RayError: no worker has been running for too long.
        """
        now = self._clock()
        if now - self._looked < EVERY:
            return
        self._looked = now
        for path in self._files():
            self._look_at(path, now)
        if now - self._alive > self._start:
            raise RayError(
                f"no worker in {now - self._alive:.0f} s: Ray does not start one. Run the same command again, or wait longer: "
                "--epoch-timeout."
            )

    def _files(self) -> list[Path]:
        with contextlib.suppress(OSError):
            return [path for path in self._folder.iterdir() if path.name.isdigit()]
        return []

    def _look_at(self, path: Path, now: float) -> None:
        try:
            stamp = path.stat().st_mtime_ns
        except OSError:
            return
        trial, self._alive = int(path.name), now
        if trial not in self._pulses:
            with contextlib.suppress(OSError):  # its file has gone: it has just ended
                self._pulses[trial] = Pulse(path.read_text(), stamp, now, now)
            return
        pulse = self._pulses[trial]
        if pulse.stamp != stamp:
            pulse.stamp, pulse.changed = stamp, now
        elif self._are_silent(pulse.process, now):
            with contextlib.suppress(OSError):
                process, host = path.read_text().split()
                for index, each in self._pulses.items():
                    if each.process == pulse.process:
                        self.killed.add(index)
                        each.changed = now  # if nothing comes of the kill, there is another one
                self._kill(int(process), host)

    def _are_silent(self, process: str, now: float) -> bool:
        """Whether all trials of a process are silent; an engine is not killed for one silent trial.

        A trial that ran short of memory waits until the other trials have ended, and gives its first sign only then. So a
        process also has time after each turn that ends in it.
        """
        if now - self._ended.get(process, -math.inf) <= self._limit:
            return False
        return all(each.is_silent(now, self._limit) for each in self._pulses.values() if each.process == process)
