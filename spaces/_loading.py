"""A space read from its file: any file of the user's, whose code travels with the run.

A child process imports the file first, so that what it breaks, prints or loads stays there; it answers with the user's files
that were imported. Then they are imported here, from what was read.
"""

import ast
import contextlib
import dataclasses
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from spaces._parameters import ParameterError
from spaces._space import Space
from trainables.cli import child
from trainables.config import unknown
from trainables.errors import SpaceError
from trainables.own import code
from trainables.own.code import Code, File

QUIET = {"PYTHONDONTWRITEBYTECODE": "1"}  # nothing is written into the user's folder
STDERR = 2  # where the child's words go: stdout is for results


@dataclass(frozen=True)
class Found:
    """A space, its name, and the docstring of its file; if that is no file of ours, its code."""

    space: Space
    name: str
    text: str
    code: Code | None = None


def find_file(path: Path) -> Found:
    """The space of a user's file.

    Raises:
        SpaceError: there is no such file, or it is wrong, named with its line.
    """
    where, path = str(path), Path(os.path.abspath(path))  # noqa: PTH100 (a link stays one)
    if not path.is_file() or path.suffix != ".py":
        raise SpaceError(
            f"no such file of Python: {where}. Write --space PATH.py, or choose a name with --list-spaces."
        )
    needed = imported_in_child(where, path)
    travelling = recorded(path) or Code({place: File.read(file) for place, file in needed.items()})
    code.hold(travelling)
    with contextlib.redirect_stdout(sys.stderr):
        space, text = checked(where, path, lambda: importlib.import_module(path.stem))
    return Found(space, path.stem, text, travelling)


def recorded(path: Path) -> Code | None:
    """The whole code of a run, if that is where the file lies."""
    is_of_run = path.parents[1].name == code.FOLDER and (path.parents[2] / "run.json").exists()
    return Code.read(path.parent) if is_of_run else None


def imported_in_child(where: str, path: Path) -> dict[str, Path]:
    """The user's files that a space needs, by their paths in the code of the run.

    Raises:
        SpaceError: what the child process says is wrong, or that it did not get to an end.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = child.command("spaces._child", where, str(path), str(answer))
        done = subprocess.run(command, env=child.environment() | QUIET, stdout=STDERR, stdin=subprocess.DEVNULL)
        if not answer.exists():
            raise SpaceError(
                f"{where}: importing it ended its process (exit code {done.returncode}). Correct the file."
            )
        found = json.loads(answer.read_text("utf-8"))
    if "error" in found:
        raise SpaceError(found["error"])
    return {place: Path(file) for place, file in found["files"].items()}


def checked(where: str, path: Path, import_it: Callable[[], ModuleType]) -> tuple[Space, str]:
    """The space that a module defines, and the module's docstring.

    Raises:
        SpaceError: its file is wrong, named with its line.
    """
    try:
        module = import_it()
        space = module.SPACE
    except SyntaxError as error:
        name = where if error.filename is None or Path(error.filename) == path else error.filename
        raise SpaceError(f"{name}:{error.lineno}: {error.msg}.") from error
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
    return space, module.__doc__ or ""


def worded(error: BaseException) -> str:
    """An error of Python in a space's file; for a misspelt argument of Space with the closest one."""
    argument = re.search(r"Space.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
    if argument:
        return unknown("argument of Space", argument[1], [field.name for field in dataclasses.fields(Space)])
    return f"{type(error).__name__}: {error}."


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
