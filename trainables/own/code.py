"""A user's code as it is copied into a run: the files, the hash of what they do, and the import of their modules.

    runs/NAME/code/HASH/        the files of a run, as they were when it was started
    runs/NAME/code/HASH.json    their names: a loop may write other files beside them

The hash covers the syntax of Python files without docstrings, comments, annotations and `SPACE = Space(...)` at the top level,
which has its own digest.
For other files the hash covers the bytes.
"""

import ast
import difflib
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from trainables.cli.child import ROOT
from trainables.errors import RunError, SpaceError
from trainables.files import durable

FOLDER = "code"  # of a run folder
READ_BY_PEOPLE = ("annotation", "returns", "type_comment", "type_params")  # parts of a syntax tree that compute nothing
LONGEST_DIFF = 40  # lines of it that an error shows


@dataclass(frozen=True)
class File:
    """One file: where it came from, what is in it, and whether it may be executed."""

    path: Path
    data: bytes
    is_program: bool = False

    @classmethod
    def read(cls, path: Path) -> "File":
        """Read a file. Raises SpaceError if the file cannot be read."""
        try:
            return cls(path, path.read_bytes(), os.access(path, os.X_OK))
        except OSError as error:
            raise SpaceError(f"cannot read {path}: {error.strerror}. Correct the space.") from error

    @property
    def facts(self) -> Any:
        """The facts that the hash covers: the syntax of a Python file, or a hash of the bytes of another file."""
        if self.path.suffix == ".py":
            try:
                return doing(ast.parse(self.data))
            except (SyntaxError, ValueError):  # of another version of Python, for a program of its own
                pass
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Code:
    """All files of a user that a run needs, by their paths below the run's code folder."""

    files: Mapping[str, File]

    @classmethod
    def read(cls, folder: Path) -> "Code":
        """Read the code of a run from its folder."""
        return cls({name: File.read(folder / name) for name in names_in(folder)})

    @cached_property
    def hash(self) -> str:
        """Sixteen hex digits of a hash of what the code does."""
        facts = {name: self.files[name].facts for name in sorted(self.files)}
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    @property
    def origin(self) -> Path:
        """The folder from which the files were read; their names are relative to this folder."""
        name, file = next((name, file) for name, file in sorted(self.files.items()) if name.endswith(".py"))
        return file.path.resolve().parents[name.count("/")]

    def has(self, module: str) -> bool:
        """Whether MODULE.py is among the files."""
        return f"{module}.py" in self.files

    def folder(self, run: Path) -> Path:
        """The folder of this code in a run."""
        return run / FOLDER / self.hash

    def keep(self, run: Path) -> None:
        """Copy the code into a run, unless the run has it already. Either all files become durable, or none.

        Raises:
            StorageError: the disk refused.
        """
        folder = self.folder(run)
        if folder.exists():
            return
        partial = folder.with_name(f".{self.hash}.{os.getpid()}.tmp")
        shutil.rmtree(partial, ignore_errors=True)
        for name, file in self.files.items():
            durable.make_folder((partial / name).parent)
            durable.write(partial / name, file.data)
            if file.is_program:
                (partial / name).chmod(0o755)
        durable.write(listing(folder), json.dumps(sorted(self.files)).encode())
        try:
            partial.rename(folder)
        except OSError as error:
            raise durable.storage_error(folder, error, 0) from error
        durable.sync_folder(folder.parent)

    def differences(self, before: "Code") -> Iterator[str]:
        """Yield the lines of a diff from the code `before` to this code; files that do the same are left out."""
        for name in sorted({*self.files, *before.files}):
            was, now = before.files.get(name), self.files.get(name)
            if was and now and was.facts == now.facts:
                continue
            old, new = (file.data.decode(errors="replace").splitlines() if file else [] for file in (was, now))
            yield from difflib.unified_diff(old, new, f"{name} of the run", f"{name} now", lineterm="", n=1)


def listing(folder: Path) -> Path:
    """The file with the names of the files that were copied into a code folder."""
    return folder.with_name(f"{folder.name}.json")


def names_in(folder: Path) -> list[str]:
    """The names of the files in a code folder that were copied there; of an older run, which has no list, all files."""
    there = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    names = [name.as_posix() for name in there if "__pycache__" not in name.parts]
    try:
        listed = json.loads(listing(folder).read_bytes())
    except (OSError, ValueError):
        return names
    return [name for name in names if name in listed] if isinstance(listed, list) else names


def changes(run: Path, recorded: str, now: Code | None) -> list[str]:
    """The diff between the code of a run and the user's code now: at most LONGEST_DIFF lines, and how many more."""
    folder = run / FOLDER / recorded
    if not recorded or not folder.is_dir() or now is None:
        return []
    lines = list(now.differences(Code.read(folder)))
    more = [f"... and {len(lines) - LONGEST_DIFF} lines more"] if len(lines) > LONGEST_DIFF else []
    return [*lines[:LONGEST_DIFF], *more]


def doing(node: Any) -> Any:
    """A part of a syntax tree as lists of texts, without docstrings, annotations, empty fields and `SPACE = Space(...)`.

    The result is the same in each version of Python, as far as the syntax tree is.
    """
    if isinstance(node, list):
        return [doing(each) for each in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    told = {key: value for key, value in ast.iter_fields(node) if key not in READ_BY_PEOPLE and value not in (None, [])}
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        told["body"] = node.body[1:]
    if isinstance(node, ast.Module) and "body" in told:
        told["body"] = [each for each in told["body"] if not is_space(each)]
    return [type(node).__name__, *([key, doing(value)] for key, value in told.items())]


def is_space(node: Any) -> bool:
    """Whether a statement is SPACE = Space(...), or another call, which another digest covers."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [ast.unparse(target) for target in targets] == ["SPACE"] and isinstance(node.value, ast.Call)


class Held(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):  # type: ignore[misc]  # typeshed's bases differ
    """Imports modules from the files in memory, so that the code that runs is the code that is hashed and copied."""

    def __init__(self, code: Code, folder: Path | None) -> None:
        self._code, self.folder = code, folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        name = fullname.replace(".", "/")
        for file, is_package in ((f"{name}/__init__.py", True), (f"{name}.py", False)):
            if file in self._code.files:
                where = str(self._code.files[file].path)
                spec = importlib.util.spec_from_file_location(fullname, where, loader=self)
                if spec and is_package:
                    spec.submodule_search_locations = [str(Path(where).parent)]
                return spec
        if any(file.startswith(f"{name}/") and file.endswith(".py") for file in self._code.files):
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)  # a folder without __init__.py
            spec.submodule_search_locations = []
            return spec
        return None

    def get_filename(self, fullname: str) -> str:
        name = fullname.replace(".", "/")
        found = self._code.files.get(f"{name}/__init__.py") or self._code.files[f"{name}.py"]
        return str(found.path)

    def get_data(self, path: str | bytes) -> bytes:
        known = {str(file.path): file.data for file in self._code.files.values()}
        if path not in known:
            raise OSError(f"not among the code of the run: {os.fsdecode(path)}")
        return known[str(path)]


def hold(code: Code, folder: Path | None = None) -> None:
    """Import the modules of `code` from its files from now on, also those that were imported before."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Held)]
    for name in {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in code.files}:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Held(code, folder))


def use(folder: Path, recorded: str) -> None:
    """Import a user's modules from the code of a run, and not from the current folder.

    Args:
        folder: `runs/NAME/code/HASH`.
        recorded: the hash that the run names.

    Raises:
        RunError: the code is missing, or its hash is not `recorded`.
    """
    if not any(isinstance(finder, Held) and finder.folder == folder for finder in sys.meta_path):
        hold(checked(folder, recorded), folder)
        here = [place for place in sys.path if place not in ("", str(Path.cwd())) or place == str(ROOT)]
        sys.path[:] = here


def checked(folder: Path, recorded: str) -> Code:
    """Read the code of a run, and check that its hash is the recorded one.

    Raises:
        RunError: the code is missing, or its hash is not `recorded`.
    """
    code = Code.read(folder) if folder.is_dir() else Code({})
    if code.hash != recorded:
        why = f"its hash is {code.hash}, not {recorded}" if code.files else "it is missing"
        raise RunError(f"damaged run: {folder}: {why}. Restore the folder from a copy.")
    return code


def named(text: str) -> Any:
    """The object that "module:name" names.

    Raises:
        SpaceError: the module cannot be imported, or has no such name.
    """
    module, _, name = text.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SpaceError(f"cannot import {text}: {error}. Correct the space.") from error
