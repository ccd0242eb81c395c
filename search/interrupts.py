"""Ctrl-C, SIGTERM and the end of a time budget stop in order; a second signal at once. The run can always be continued."""

import contextlib
import os
import signal
import threading
from pathlib import Path
from types import FrameType

PATIENCE = 7.0  # seconds that running epochs have to end by themselves
BUDGET_EXIT = 75  # "try again later" among the exit codes of sysexits.h


class Interrupted(BaseException):
    """The search was asked to stop; not an Exception, so that nothing on the way takes it for an error."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.is_budget = number == signal.SIGALRM
        self.exit_code = BUDGET_EXIT if self.is_budget else 128 + number


class Interrupts:
    """Listens for SIGINT, SIGTERM and the alarm of a time budget while a search runs."""

    def __init__(self) -> None:
        self.number: int | None = None  # of the signal that came
        self._marker: Path | None = None
        self._impatience: threading.Timer | None = None

    def listen(self) -> None:
        """Install the handlers; again after Ray has installed its own."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, self._handle)
        signal.signal(
            signal.SIGUSR1, signal.SIG_IGN
        )  # Tune listens to it while it runs; at other times it would kill us

    def end_in(self, seconds: float | None) -> None:
        """From now on the search may take that long, then it is stopped as by a signal; with None as long as it likes."""
        signal.setitimer(signal.ITIMER_REAL, seconds or 0)

    def stop_softly_by(self, marker: Path | None) -> None:
        """From now on a signal creates `marker` and lets running epochs end; with None it raises Interrupted."""
        self._marker = marker
        if self._impatience and marker is None:
            self._impatience.cancel()

    def check(self) -> None:
        """Raises Interrupted if a signal has come."""
        if self.number is not None:
            raise Interrupted(self.number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            if number == signal.SIGALRM:
                return  # it is ending already
            os._exit(128 + number)
        self.number = number
        if self._marker is None:
            raise Interrupted(number)
        with contextlib.suppress(OSError):  # a disk that refuses: then Tune's loop ends without the workers' help
            self._marker.touch()
        self._impatience = threading.Timer(PATIENCE, os.kill, (os.getpid(), signal.SIGUSR1))  # ends Tune's loop
        self._impatience.daemon = True
        self._impatience.start()
