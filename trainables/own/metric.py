"""A user's own metric as the objective of a search. This module measures nothing, so it needs no torch."""

import ast
import hashlib
import inspect
import json
import textwrap
from pathlib import Path
from typing import Any

from trainables.errors import SpaceError
from trainables.objective import METRICS, MODES, Objective
from trainables.own.code import doing
from trainables.parts import named
from trainables.parts.family import METRIC


def is_own(text: str) -> bool:
    """Whether a name is the name of a user's own metric, not of a built-in one."""
    return ":" in text


def objective(text: str, folder: Path | None = None) -> Objective:
    """The objective of a user's metric: larger is better, unless the metric has an attribute `mode` that is "min".

    Args:
        text: FILE.py:NAME, or MODULE:NAME of an installed package.
        folder: the folder to which the file is relative; None where the module can be imported already.

    Raises:
        SpaceError: there is no such metric, its column is a built-in one, or its `mode` is neither "max" nor "min".
    """
    part, column = named.load(METRIC, text, folder), f"val_{text.rpartition(':')[2]}"
    if column in {each.column for each in METRICS.values()}:
        raise SpaceError(f"metric {text}: {column} is the column of a built-in metric. Rename the function.")
    mode = getattr(part, "mode", MODES[0])
    if mode not in MODES:
        raise SpaceError(f'metric {text}: its mode is {mode!r}. Write "max" where larger is better, else "min".')
    return Objective(column, mode, "decimals", text, digest(part))


def digest(part: Any) -> str:
    """A hash of the code of a function or class, without the code that it calls; empty if its source is not known."""
    try:
        source = textwrap.dedent(inspect.getsource(part))
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(json.dumps(doing(ast.parse(source))).encode()).hexdigest()[:16]
