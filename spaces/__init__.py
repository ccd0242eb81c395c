"""What to search: one declarative file per space in this folder; the file name is its name on the command line."""

import ast
import dataclasses
import importlib
import pkgutil
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from spaces import _words
from spaces._changes import changed
from spaces._lint import warnings
from spaces._parameters import MAX_GRID, ParameterError, Point, Range, by_axis, fits, rows
from spaces._ranges import (
    Choice,
    Interval,
    Linked,
    When,
    choice,
    integers,
    linked,
    logintegers,
    loguniform,
    uniform,
    when,
)
from spaces._scheduler import Scheduler
from spaces._space import Space
from trainables.config import unknown
from trainables.errors import SpaceError
from trainables.parts.bounds import above, between

__all__ = [
    "MAX_GRID", "Choice", "Interval", "Linked", "Point", "Range", "Scheduler", "Space", "When", "above", "between", "by_axis",
    "changed", "choice",
    "describe", "fits", "integers", "linked", "load", "logintegers", "loguniform", "names", "rows", "uniform",
    "warnings", "when",
]  # fmt: skip

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The spaces of this folder; files that start with an underscore are none."""
    return sorted(module.name for module in pkgutil.iter_modules([str(FOLDER)]) if not module.name.startswith("_"))


def __getattr__(name: str) -> Any:
    """Raises SpaceError for a word of another tool, such as suggest_float, with what it is called here."""
    if answer := _words.answer(name):
        raise SpaceError(answer)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(name: str) -> Space:
    """The space of that name.

    Raises:
        SpaceError: there is none, or its file is wrong, named with its line.
    """
    if name not in names():
        raise SpaceError(stranger(name))
    path = FOLDER / f"{name}.py"
    where = f"spaces/{name}.py"
    try:
        space = importlib.import_module(f"{__name__}.{name}").SPACE
    except SyntaxError as error:
        raise SpaceError(f"{where}:{error.lineno}: {error.msg}.") from error
    except AttributeError as error:
        if error.name == "SPACE":
            raise SpaceError(f"{where}: it defines no SPACE. Write SPACE = Space(...).") from None
        raise SpaceError(f"{where}:{line_of(error, path)}: AttributeError: {error}.") from error
    except SpaceError as error:
        raise SpaceError(f"{where}:{line_of(error, path)}: {error}") from error
    except (Exception, SystemExit) as error:
        raise SpaceError(f"{where}:{line_of(error, path)}: {worded(error)}") from error
    if not isinstance(space, Space):
        raise SpaceError(f"{where}: SPACE is a {type(space).__name__}, not a Space.")
    return space


def stranger(name: str) -> str:
    """The sentence for a space that does not exist; of a path to one that does, its name."""
    stem = Path(name).stem
    if stem != name and stem in names():
        return f"unknown space {name!r}: a space is named without folder and ending. Write --space {stem}."
    return unknown("space", name, names())


def worded(error: BaseException) -> str:
    """An error of Python in a space's file; for a misspelt argument of Space with the closest one."""
    argument = re.search(r"Space.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
    if argument:
        return unknown("argument of Space", argument[1], [field.name for field in dataclasses.fields(Space)])
    return f"{type(error).__name__}: {error}."


def describe(name: str) -> str:
    """The first line of the space's docstring."""
    load(name)
    return (sys.modules[f"{__name__}.{name}"].__doc__ or "").strip().partition("\n")[0]


def line_of(error: BaseException, path: Path) -> int:
    """The line of a space's file that an error is about: that of the parameter it names, else where it was raised."""
    if isinstance(error, ParameterError):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        keys = [node.lineno for node in nodes if isinstance(node, ast.Constant) and node.value == error.key]
        keys += [
            node.lineno for node in nodes if isinstance(node, ast.keyword) and node.arg == error.key
        ]  # of linked()
        if keys:
            return min(keys)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return (lines or [1])[-1] or 1
