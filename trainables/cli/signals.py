"""Signals with which a batch system, a closed terminal or a limit asks a process to end. Python itself handles Ctrl-C."""

import signal
import sys
from collections.abc import Callable
from types import FrameType

ASKING = (signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)

Handler = Callable[[int, FrameType | None], None]


def heed(handler: Handler) -> None:
    """Install a handler for these signals. SIGHUP stays ignored if the process was started with nohup."""
    for number in ASKING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def exit_when_asked() -> None:
    """Let these signals raise SystemExit with a shell's exit code (128 + number), so that temporary folders are removed."""
    heed(lambda number, frame: sys.exit(128 + number))
