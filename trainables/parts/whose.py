"""Where in a user's file an error came from."""

import re
import sysconfig
import threading
import traceback
from pathlib import Path

OURS = Path(__file__).parents[2]
PACKAGES = ("trainables", "spaces", "search", "analysis")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def is_ours(file: str) -> bool:
    return any(Path(file).is_relative_to(OURS / name) for name in PACKAGES)


def is_users(file: str) -> bool:
    """Whether a file is a user's: neither ours nor of Python or a library."""
    return not is_ours(file) and not file.startswith(("<", *LIBRARIES)) and "site-packages" not in file


def place(error: BaseException) -> str | None:
    """FILE:LINE of the user's line that an error came from, the innermost one; none if no file of theirs took part."""
    if isinstance(error, SyntaxError) and error.filename and is_users(error.filename):
        return f"{Path(error.filename).name}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else None


def is_asked_for(stop: SystemExit | KeyboardInterrupt) -> bool:
    """Whether somebody asked this process to end, by a signal, and not code of the user's by sys.exit()."""
    if isinstance(stop, KeyboardInterrupt):
        return threading.current_thread() is threading.main_thread()  # no other one hears of signals
    return is_ours(traceback.extract_tb(stop.__traceback__)[-1].filename)  # our handler raised it


def said(error: BaseException) -> str:
    """The first line of what an error says, behind its type, without the colours of a terminal."""
    first = COLOUR.sub("", next(iter(str(error).splitlines()), "")).rstrip(". ")
    return f"{type(error).__name__}: {first}." if first else f"{type(error).__name__}."
