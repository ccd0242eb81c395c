"""Start child processes that run a module of this project, and return their answers."""

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).parents[2]


def command(module: str, *words: str) -> list[str]:
    """The command that runs a module. With -P nothing is imported from the user's current folder."""
    return [sys.executable, "-P", "-m", module, *words]


def environment() -> dict[str, str]:
    """The environment of this process, with this project's folder first in PYTHONPATH."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def answers() -> TextIO:
    """The stdout of this process for answers alone. From now on, what a user's code prints goes to stderr."""
    found = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return found


def answer(found: dict[str, Any]) -> None:
    """Write an answer into the file that the command line names, atomically, and end the process at once.

    The end is immediate: threads of a user's code end too, and libraries print no messages at exit.
    """
    path = Path(sys.argv[1])
    part = path.with_suffix(".part")
    part.write_text(json.dumps(found), "utf-8")
    part.rename(path)
    os._exit(0)
