"""The spaces of a search: one declarative file each in this folder, named as its file, or any file elsewhere."""

import importlib
import pkgutil
from pathlib import Path
from typing import Any

from spaces import _words
from spaces._changes import changed
from spaces._lint import warnings
from spaces._loading import Found, checked, find_file, with_metric
from spaces._parameters import MAX_GRID, Point, Range, by_axis, fits, rows
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
    "MAX_GRID", "Choice", "Found", "Interval", "Linked", "Point", "Range", "Scheduler", "Space", "When", "above", "between",
    "by_axis", "changed", "choice", "describe", "find", "fits", "integers", "linked", "load", "logintegers", "loguniform",
    "names", "rows", "uniform", "warnings", "when",
]  # fmt: skip

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The names of the spaces of this folder; a file that starts with an underscore is no space."""
    return sorted(module.name for module in pkgutil.iter_modules([str(FOLDER)]) if not module.name.startswith("_"))


def __getattr__(name: str) -> Any:
    """Raises SpaceError for a word of another tool, such as suggest_float; the message has this program's word."""
    if answer := _words.answer(name):
        raise SpaceError(answer)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(name: str) -> Space:
    """The space of that name, or of that file.

    Raises:
        SpaceError: there is no such space, or its file is wrong; the message names the file and mostly its line.
    """
    return find(name).space


def find(name: str, metric: str = "") -> Found:
    """The space of that name, or of that file, with its name, its docstring, and the user's code and objective.

    Args:
        metric: the metric of the search; if it is the user's own, its code travels with the space.

    Raises:
        SpaceError: there is no such space, or its file is wrong; the message names the file and mostly its line.
    """
    if name not in names():
        if is_path(name):
            return find_file(Path(name), metric)
        raise SpaceError(stranger(name))
    path = FOLDER / f"{name}.py"
    space, text = checked(f"spaces/{name}.py", path, lambda: importlib.import_module(f"{__name__}.{name}"))
    if space.is_own:
        return find_file(path)
    return with_metric(Found(space, name, text), metric)


def is_path(name: str) -> bool:
    """Whether `name` is the path of a space's file; a space of this folder goes by its name alone."""
    return Path(name).parent.resolve() != FOLDER and ("/" in name or name.endswith(".py")) and not is_bare(name)


def is_bare(name: str) -> bool:
    """Whether `name` is that of a space with an ending, such as lr_sweep.py, and no such file exists."""
    return Path(name).stem in names() and not Path(name).exists()


def stranger(name: str) -> str:
    """The error line for an unknown space; if the last part of a path is the name of a space, the line says this name."""
    stem = Path(name).stem
    if stem != name and stem in names():
        return f"unknown space {name!r}: a space is named without folder and ending. Write --space {stem}."
    if Path(name).is_file():
        return f"unknown space {name!r}: a file of your own must end in .py. Rename it."
    return unknown("space", name, names())


def describe(name: str) -> str:
    """The first line of the space's docstring."""
    return find(name).text.strip().partition("\n")[0]
