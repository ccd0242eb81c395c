"""The search algorithms by their names in --algo; the file of each algorithm has the same name."""

import functools
import importlib

from search.algorithms.base import Adaptive, Algorithm

ALGORITHMS = ("grid", "random", "qmc", "tpe", "gp")


@functools.cache
def load(name: str) -> Algorithm:
    """The algorithm of one of these names: the object ALGORITHM of its file."""
    found: Algorithm = importlib.import_module(f"search.algorithms.{name}").ALGORITHM
    return found


def adaptive(name: str) -> Adaptive | None:
    """The algorithm of that name if it is adaptive; None for any other name."""
    found = load(name) if name in ALGORITHMS else None
    return found if isinstance(found, Adaptive) else None


def described() -> str:
    """All names in one line, for the help."""
    return f"{', '.join(ALGORITHMS[:-1])} or {ALGORITHMS[-1]}"
