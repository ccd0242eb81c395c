"""Stops a search in order at Ctrl-C, at a signal such as SIGTERM, and at the end of a time budget.

A second Ctrl-C or SIGTERM stops the search at once. The search can be continued in each case.
"""

import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from trainables.cli import signals

PATIENCE = 5.0  # seconds that running epochs have to end by themselves
POLL = 0.1  # seconds between two looks at whether there is still something to wait for
DEADLINE = 9.5  # seconds from the first signal to the end, whatever hangs; whoever sends SIGTERM mostly waits for ten
HUNG_UP = (
    60.0  # the same after SIGHUP: nobody looks at a clock there, and results.md is to be written on a busy machine, too
)
# A terminal that is closed sends one by its shell and one by itself; the others are sent by clocks.
UNHURRIED = (signal.SIGALRM, signal.SIGHUP, signal.SIGXCPU)
HEARD = b"\nstopping, which takes up to ten seconds; Ctrl-C again stops at once, and loses the running epochs only\n"
BUDGET_EXIT = 75  # "try again later" among the exit codes of sysexits.h


class Interrupted(BaseException):
    """The search was asked to stop. Not an Exception, so that `except Exception` does not catch Interrupted."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.is_budget = number == signal.SIGALRM
        self.exit_code = BUDGET_EXIT if self.is_budget else 128 + number


class Interrupts:
    """Listens for SIGINT, SIGTERM, SIGHUP, SIGXCPU and the alarm of a time budget while a search runs.

    Args:
        farewell: the text for the user when the process ends at once; committed results are durable then, too.
    """

    def __init__(self, farewell: str) -> None:
        self.number: int | None = None  # of the signal that came
        self._farewell = f"\n{farewell}\n".encode(errors="replace")
        self._stderr = 2
        self._marker: Path | None = None
        self._impatience: threading.Timer | None = None

    def listen(self) -> None:
        """Install the signal handlers. Call this again after Ray has installed its own handlers."""
        for number in (signal.SIGINT, signal.SIGALRM):
            signal.signal(number, self._handle)
        signals.heed(self._handle)
        # Tune listens to it while it runs; at other times it would kill us.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    def end_in(self, seconds: float | None) -> None:
        """Stop the search after this many seconds, as a signal does; None removes the limit."""
        signal.setitimer(signal.ITIMER_REAL, seconds or 0)

    def stop_softly_by(self, marker: Path | None) -> None:
        """From now on a signal creates `marker` and lets running epochs end; with None a signal raises Interrupted.

        Between the call with a marker and the call with None, stderr may be redirected.
        """
        self._marker = marker
        if marker:
            self._stderr = os.dup(2)
        elif self._stderr != 2:
            os.close(self._stderr)
            self._stderr = 2
        if self._impatience and marker is None:
            self._impatience.cancel()

    @contextlib.contextmanager
    def wait_for_sigterm(self) -> Iterator[None]:
        """Block SIGTERM in this block, and let a thread wait for SIGTERM instead, so that no library can handle it.

        Threads that are started in this block keep SIGTERM blocked for ever. Processes would, too: see `shielded`. On macOS
        nothing is blocked.
        """
        if not hasattr(signal, "sigtimedwait"):  # macOS
            yield
            return
        done = threading.Event()
        waiter = threading.Thread(target=self._wait, args=(done,), daemon=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        waiter.start()
        try:
            yield
        finally:
            done.set()
            waiter.join()
            self.listen()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _wait(self, done: threading.Event) -> None:
        # Or another signal could interrupt the last moment of a wait, and Python 3.11 then tells of one that never came.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while not done.is_set():
            if signal.sigtimedwait({signal.SIGTERM}, POLL):
                self._handle(signal.SIGTERM, None)

    def check(self) -> None:
        """Raises Interrupted if a signal has come."""
        if self.number is not None:
            raise Interrupted(self.number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            if number in UNHURRIED:
                return  # it is ending already
            if self._marker is None or self.number not in UNHURRIED:
                self._end()  # asked for the second time
        self.number = number
        if number != signal.SIGALRM:  # nobody waits for the end of a budget with a SIGKILL in hand
            after(HUNG_UP if number == signal.SIGHUP else DEADLINE, self._end)
        self._acknowledge()
        if self._marker is None:
            raise Interrupted(number)
        with contextlib.suppress(OSError):  # a disk that refuses: then Tune's loop ends without the workers' help
            self._marker.touch()
        self._impatience = after(PATIENCE, os.kill, os.getpid(), signal.SIGUSR1)  # ends Tune's loop

    def _acknowledge(self) -> None:
        """Tell the user that Ctrl-C was noticed."""
        if self.number == signal.SIGINT:
            with contextlib.suppress(OSError):
                self._say(HEARD)

    def _say(self, words: bytes) -> None:
        """Write to stderr, unless that would wait: nobody may read a full pipe."""
        if select.select([], [self._stderr], [], 0)[1]:
            os.write(self._stderr, words)

    def _end(self) -> None:
        """End the process now; the run on disk is whole at any moment."""
        try:
            self._say(self._farewell)
        finally:
            os._exit(Interrupted(self.number or signal.SIGTERM).exit_code)


def shielded(popen: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `popen` so that new processes do not get signals that a terminal or `timeout` sends to our process group.

    SIGTERM is unblocked in the new process only. If SIGTERM were unblocked in this process, its handler could run in the
    middle of the fork. There Python drops what a handler raises, and leaves locks held, such as the lock of logging.
    """

    def start(*arguments: Any, preexec_fn: Callable[[], None] | None = None, **named: Any) -> Any:
        def let_through() -> None:
            if preexec_fn:
                preexec_fn()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # one that has come already must not call our handler there
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

        return popen(*arguments, preexec_fn=let_through, start_new_session=True, **named)

    return start


def after(seconds: float, action: Callable[..., None], *arguments: int) -> threading.Timer:
    """Call `action` after so many seconds, unless the process has ended; return the timer."""
    timer = threading.Timer(seconds, action, arguments)
    timer.daemon = True
    timer.start()
    return timer
