"""Where in a user's file an error came from."""

import sysconfig
import traceback
from pathlib import Path

OURS = Path(__file__).parents[2]
PACKAGES = ("trainables", "spaces", "search", "analysis")
LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def is_users(file: str) -> bool:
    """Whether a file is a user's: neither ours nor of Python or a library."""
    ours = any(Path(file).is_relative_to(OURS / name) for name in PACKAGES)
    return not ours and not file.startswith(("<", *LIBRARIES)) and "site-packages" not in file


def place(error: BaseException) -> str | None:
    """FILE:LINE of the user's line that an error came from, the innermost one; none if no file of theirs took part."""
    if isinstance(error, SyntaxError) and error.filename and is_users(error.filename):
        return f"{Path(error.filename).name}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else None


def said(error: BaseException) -> str:
    """The first line of what an error says, behind its type."""
    first = next(iter(str(error).splitlines()), "").rstrip(".")
    return f"{type(error).__name__}: {first}." if first else f"{type(error).__name__}."
