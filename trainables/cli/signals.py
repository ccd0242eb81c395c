"""The signals by which a batch system, a closed terminal or a limit asks a process to end. Ctrl-C is Python's own business."""

import signal
import sys
from collections.abc import Callable
from types import FrameType

ASKING = (signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)

Handler = Callable[[int, FrameType | None], None]


def heed(handler: Handler) -> None:
    """Have these signals handled; but whoever started us with nohup wants a closed terminal ignored."""
    for number in ASKING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def exit_when_asked() -> None:
    """End by SystemExit, so that temporary folders are removed, with the exit code of a shell."""
    heed(lambda number, frame: sys.exit(128 + number))
