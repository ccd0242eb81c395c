"""What to search: one declarative file per space in this folder, where its name is its file name, or any file elsewhere."""

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
    """The spaces of this folder; files that start with an underscore are none."""
    return sorted(module.name for module in pkgutil.iter_modules([str(FOLDER)]) if not module.name.startswith("_"))


def __getattr__(name: str) -> Any:
    """Raises SpaceError for a word of another tool, such as suggest_float, with what it is called here."""
    if answer := _words.answer(name):
        raise SpaceError(answer)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(name: str) -> Space:
    """The space of that name, or of that file.

    Raises:
        SpaceError: there is none, or its file is wrong, named with its line.
    """
    return find(name).space


def find(name: str, metric: str = "") -> Found:
    """The space of that name, or of that file, with what it was found as.

    Args:
        metric: by which it is searched; the code of one of the user's own travels with the space.

    Raises:
        SpaceError: there is none, or its file is wrong, named with its line.
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
    """Whether a space is named by its file; one of this folder is named without it."""
    return Path(name).parent.resolve() != FOLDER and ("/" in name or name.endswith(".py")) and not is_bare(name)


def is_bare(name: str) -> bool:
    """lr_sweep.py where there is no such file, but a space of that name."""
    return Path(name).stem in names() and not Path(name).exists()


def stranger(name: str) -> str:
    """The sentence for a space that does not exist; of a path to one that does, its name."""
    stem = Path(name).stem
    if stem != name and stem in names():
        return f"unknown space {name!r}: a space is named without folder and ending. Write --space {stem}."
    return unknown("space", name, names())


def describe(name: str) -> str:
    """The first line of the space's docstring."""
    return find(name).text.strip().partition("\n")[0]
