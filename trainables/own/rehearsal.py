"""Tries a user's loop or program before a search begins: a separate process trains the baseline's first epoch.

    python -m trainables.own.rehearsal ANSWER

The process reads a JSON object: training, config, objective, seed, device, threads, code (the folder of a copy of the user's
code, as a run has one) and folder (of the trial). It writes a JSON object into the file ANSWER: `error`, the mistake with the
user's file and line, or null; `notes`, a list of texts; and `seconds`, the time of the epoch with its preparation, or null. An
epoch that is not over after LIMIT seconds is stopped, and a note says so.
"""

import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from trainables.cli import child
from trainables.errors import LostError, SpaceError
from trainables.objective import OwnObjective
from trainables.own import code, training
from trainables.own.command import ProgramError
from trainables.own.loop import LoopRows
from trainables.parts import whose
from trainables.training.loop import Diverged
from trainables.trial.rows import Rows, UsersError

LIMIT = 10.0  # seconds for the first epoch
AGAIN = 25.0  # seconds until it is told once more; ending a program takes less
WHAT = "the first epoch of the baseline"
LINE = re.compile(r'File "(.+)", line (\d+)')  # of a traceback of Python's


class TimeIsUp(BaseException):
    """The first epoch takes longer than LIMIT. Not an Exception, so that `except Exception` does not catch TimeIsUp."""


def rehearse(rows: Rows) -> list[str]:
    """Train the first epoch for at most LIMIT seconds; return the notes, one line each.

    Raises:
        SpaceError: the epoch failed or gave no valid metrics; the message has the user's file and line, if known.
    """
    try:
        with limited():
            return list(first_epoch(rows))
    except TimeIsUp:
        return [f"{WHAT} took longer than {LIMIT:g} s, so its result was not checked"]
    except Diverged as error:
        place = getattr(error, "of_users", "")
        raise SpaceError(
            f"{place}{': ' if place else ''}{WHAT} gives no finite {rows.objective.column}, so its trial would have diverged. "
            "Correct the code or the baseline."
        ) from None
    except UsersError as error:
        raise SpaceError(told(error.cause)) from error
    except SystemExit as error:
        raise SpaceError(told(error)) from error
    except LostError as error:
        raise SpaceError(f"{WHAT} fails: {error}. Memory may have run short.") from error


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Raise TimeIsUp in this block after LIMIT seconds, and again after every AGAIN seconds.

    It is raised again, because Python drops an exception that is raised in the middle of a fork.
    """

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeIsUp

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, LIMIT, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def first_epoch(rows: Rows) -> Iterator[str]:
    """Train the first epoch, and yield the notes about it."""
    with contextlib.closing(rows.epochs(None, {}, None)) as epochs:
        epoch = next(epochs)
        if epoch.state() is None and isinstance(rows, LoopRows):
            yield (
                "train yields no get_state, so a trial begins again after a kill, and at every rung where trials wait for each "
                "other"
            )


def told(error: BaseException) -> str:
    """A failure in one line, with the user's file and line."""
    if not isinstance(error, ProgramError):
        place = getattr(error, "of_users", "") or whose.place(error)
        return f"{place}: {WHAT} fails: {whose.said(error)}" if place else f"{WHAT} fails: {whose.said(error)}"
    message, *lines = str(error).splitlines()
    last = f": {lines[-1]}" if lines else ""
    return f"{place_in(lines) or error.where}: {WHAT} fails: {message}{last}"


def place_in(lines: Sequence[str]) -> str | None:
    """FILE:LINE of the innermost line of the user's code in a Python traceback; None if there is no such line."""
    found = [match for line in lines if (match := LINE.search(line)) and whose.is_users(match[1])]
    return f"{Path(found[-1][1]).name}:{found[-1][2]}" if found else None


def answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Try a loop or a program; return the answer that the module's docstring describes."""
    import torch

    torch.set_num_threads(asked["threads"])
    place = Path(asked["code"])
    try:
        code.use(place, place.name)
        if "train" in asked["training"]:
            code.named(asked["training"]["train"])  # what importing it takes is no part of the epoch
        rows = training.rows(
            asked["training"], asked["config"], OwnObjective.read(asked["objective"], "SPACE"), asked["seed"], asked["device"],
            code=place, folder=Path(asked["folder"]), until=asked["config"]["epochs"],
        )  # fmt: skip
        started = time.monotonic()
        notes = rehearse(rows)
        seconds = time.monotonic() - started
    except SpaceError as error:
        return {"error": error.message, "notes": [], "seconds": None}
    return {"error": None, "notes": notes, "seconds": seconds if seconds < LIMIT else None}


def main() -> None:
    asked = json.load(sys.stdin)
    if asked["device"] == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # as in a worker
    child.answer(answer(asked))


if __name__ == "__main__":
    main()
