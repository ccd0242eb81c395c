"""A space read from its file: any file of the user's, whose code travels with the run.

A child process imports the file first, so that whatever the file breaks, prints or loads stays in that process. The child
answers with the user's files that were imported. Then this process reads these files and imports the space from what was read.
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
from trainables.objective import Objective
from trainables.own import code
from trainables.own import metric as own
from trainables.own.code import Code, File, is_space
from trainables.parts import named

QUIET = {"PYTHONDONTWRITEBYTECODE": "1"}  # nothing is written into the user's folder
STDERR = 2  # where the child's words go: stdout is for results


@dataclass(frozen=True)
class Found:
    """A space that was found by its name or its file.

    Attributes:
        name: of the space.
        text: the docstring of its file.
        code: the user's code that the space and the metric need; None if there is none.
        objective: the objective of the user's own metric; None without such a metric.
    """

    space: Space
    name: str
    text: str
    code: Code | None = None
    objective: Objective | None = None


def find_file(path: Path, metric: str = "") -> Found:
    """The space of a user's file, and a metric from a file in the same folder or below.

    Raises:
        SpaceError: there is no such file, or the file is wrong; the message names the file and mostly its line.
    """
    where, path = str(path), Path(os.path.abspath(path))  # noqa: PTH100 (a link stays one)
    if not path.is_file() or path.suffix != ".py":
        what = (
            "it is a folder"
            if path.is_dir()
            else "its name does not end in .py"
            if path.is_file()
            else "it is not there"
        )
        raise SpaceError(
            f"no file of Python: {where}: {what}. Write --space PATH.py, or choose a name with --list-spaces."
        )
    try:
        own_metric = beside(path.parent, metric) if own.is_own(metric) else ""
    except SpaceError:
        if (alone := find_file(path)).space.is_own:  # it reads no metric: that is the mistake, and not where that lies
            return alone
        raise
    travelling, objective = imported_in_child(path.parent, where, str(path), own_metric)
    code.hold(travelling)
    with contextlib.redirect_stdout(sys.stderr), contextlib.chdir("."):  # back, if the file goes to another folder
        space, text = checked(where, path, lambda: importlib.import_module(path.stem))
    return Found(space, path.stem, text, travelling, objective)


def with_metric(found: Found, metric: str) -> Found:
    """A space of ours with the objective and the code of the user's own metric; unchanged for a metric of ours.

    Raises:
        SpaceError: there is no such metric, or its file is wrong.
    """
    if not own.is_own(metric):
        return found
    folder, text = folder_of(metric)
    travelling, objective = imported_in_child(folder, text.partition(":")[0], "", text)
    if travelling.files:
        code.hold(travelling)
    return dataclasses.replace(found, code=travelling if travelling.files else None, objective=objective)


def beside(folder: Path, metric: str) -> str:
    """The name of a metric as seen from the folder of a space; its file may also be named from the working directory.

    Raises:
        SpaceError: the metric's file does not lie in the folder of the space.
    """
    file, _, name = metric.rpartition(":")
    path = Path(os.path.abspath(file))  # noqa: PTH100 (a link stays one)
    is_below = not Path(file).is_absolute() and ".." not in Path(file).parts
    if not file.endswith(".py") or (is_below and (folder / file).is_file()):
        return str(named.canonical(metric))
    if path.is_file() and not path.is_relative_to(folder):
        raise SpaceError(f"metric {metric} does not lie in {folder}, as the space does. Move it there.")
    return f"{path.relative_to(folder).as_posix()}:{name}" if path.is_file() else metric


def folder_of(metric: str) -> tuple[Path, str]:
    """The folder that a metric of a space of ours is imported from, and its name there."""
    file, _, name = metric.rpartition(":")
    path, here = Path(os.path.abspath(file)), Path.cwd()  # noqa: PTH100 (a link stays one)
    if not file.endswith(".py"):
        return here, metric
    run = next((parent for parent in path.parents if is_code_of_run(parent)), None)
    folder = run or (here if path.is_relative_to(here) else path.parent)
    return folder, f"{path.relative_to(folder).as_posix()}:{name}"


def is_code_of_run(folder: Path) -> bool:
    """Whether a folder is runs/NAME/code/HASH."""
    return folder.parent.name == code.FOLDER and (folder.parents[1] / "run.json").exists()


def imported_in_child(folder: Path, where: str, space: str, metric: str) -> tuple[Code, Objective | None]:
    """The user's code that a space and a metric need, and the objective of the metric.

    Args:
        folder: the folder in which the files of both lie; if it is the code of a run, all of the code is taken.
        where: the name of the file in error lines.
        space, metric: the path of the space and the name of the metric; each may be empty.

    Raises:
        SpaceError: the child process found a mistake, or ended without an answer.
    """
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "answer.json"
        command = child.command("spaces._child", str(answer), where, space, str(folder), metric)
        done = subprocess.run(command, env=child.environment() | QUIET, stdout=STDERR, stdin=subprocess.DEVNULL)
        if not answer.exists():
            raise SpaceError(
                f"{where}: importing it ended its process (exit code {done.returncode}). Correct the file."
            )
        found = json.loads(answer.read_text("utf-8"))
    if "error" in found:
        raise SpaceError(found["error"])
    objective = Objective.read(found["objective"], where) if "objective" in found else None
    if is_code_of_run(folder):
        return Code.read(folder), objective
    return Code({place: File.read(Path(file)) for place, file in found["files"].items()}), objective


def checked(where: str, path: Path, import_it: Callable[[], ModuleType]) -> tuple[Space, str]:
    """The space that a module defines, and the module's docstring.

    Raises:
        SpaceError: the file is wrong; the message names the file and mostly its line.
    """
    try:
        module = import_it()
        space = module.SPACE
    except SyntaxError as error:
        name = where if error.filename is None or Path(error.filename) == path else error.filename
        raise SpaceError(f"{name}:{error.lineno or 1}: {error.msg}.") from error
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
    """An error of Python in a space's file, in words; for a misspelt argument of Space, with the closest argument."""
    argument = re.search(r"Space.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
    if argument:
        return unknown("argument of Space", argument[1], [field.name for field in dataclasses.fields(Space)])
    return f"{type(error).__name__}: {error}."


def lines_with(key: str, part: ast.AST) -> list[int]:
    """The lines of a syntax tree with this key of a dict, or with this argument, as linked() has them."""
    texts = [node.lineno for node in ast.walk(part) if isinstance(node, ast.Constant) and node.value == key]
    return texts + [node.lineno for node in ast.walk(part) if isinstance(node, ast.keyword) and node.arg == key]


def line_of(error: BaseException, path: Path) -> int:
    """The line of a space's file that an error is about: of the parameter in the error, else where the error was raised."""
    if isinstance(error, ParameterError):
        tree = ast.parse(path.read_bytes())
        for part in (*filter(is_space, tree.body), tree):
            if found := lines_with(error.key, part):
                return min(found)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return (lines or [1])[-1] or 1
