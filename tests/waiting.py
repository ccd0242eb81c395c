"""Waiting for what happens, however slow the machine is."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 300.0  # seconds after which what was waited for will not come


def until(happened: Callable[[], object], otherwise: Callable[[], object] = lambda: False) -> None:
    """Return when `happened` is true, or when `otherwise` is: the process in which it was to happen has ended, say."""
    give_up = time.monotonic() + PATIENCE
    while not happened() and not otherwise():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.01)


def a_while(dice: random.Random, folder: Path, ended: Callable[[], object], seconds: float = 0.1) -> None:
    """Return at a random moment of work that writes rows: after up to three more, and a part of `seconds`, or when it has ended.
    However slow the machine is, it gets on between two such moments."""
    wanted = rows(folder) + dice.randint(0, 3)
    until(lambda: rows(folder) >= wanted, ended)
    time.sleep(dice.uniform(0, seconds))


def rows(folder: Path) -> int:
    """Lines of all ledgers below a folder. Unlike Path.rglob, os.walk passes over a folder that is renamed meanwhile."""
    ledgers = (Path(place) / name for place, _, names in os.walk(folder) for name in names if name.endswith(".jsonl"))
    return sum(path.read_bytes().count(b"\n") for path in ledgers)
