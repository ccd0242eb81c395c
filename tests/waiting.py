"""Waiting for what happens, however slow the machine is."""

import time
from collections.abc import Callable

PATIENCE = 300.0  # seconds after which what was waited for will not come


def until(happened: Callable[[], object], otherwise: Callable[[], object] = lambda: False) -> None:
    """Return when `happened` is true, or when `otherwise` is: the process in which it was to happen has ended, say."""
    give_up = time.monotonic() + PATIENCE
    while not happened() and not otherwise():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.01)
