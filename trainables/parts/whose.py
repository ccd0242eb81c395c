"""Tell a user's files from the project's and from libraries, and find the user's line that raised an error."""

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
    """Whether a file is a user's: a file neither of the project nor of Python nor of a library."""
    return not is_ours(file) and not file.startswith(("<", *LIBRARIES)) and "site-packages" not in file


def place(error: BaseException) -> str | None:
    """FILE:LINE of the innermost line of a user's file in an error's traceback; None if there is no such line."""
    if isinstance(error, SyntaxError) and error.filename and is_users(error.filename):
        return f"{Path(error.filename).name}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else None


def is_asked_for(stop: SystemExit | KeyboardInterrupt) -> bool:
    """Whether a signal asked this process to end. False if a user's code has called sys.exit()."""
    if isinstance(stop, KeyboardInterrupt):
        return threading.current_thread() is threading.main_thread()  # signals reach only the main thread
    return is_ours(traceback.extract_tb(stop.__traceback__)[-1].filename)  # our signal handler raised it


def said(error: BaseException) -> str:
    """The type of an error and the first line of its message, without the colour codes of a terminal."""
    first = COLOUR.sub("", next(iter(str(error).splitlines()), "")).rstrip(". ")
    return f"{type(error).__name__}: {first}." if first else f"{type(error).__name__}."
