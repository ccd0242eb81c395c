"""Finds the files of a user's code: modules that were imported, modules that these import later, and programs.

Files of the standard library, of installed packages and of this program are left out.
"""

import ast
import importlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from trainables.cli.child import ROOT
from trainables.errors import SpaceError

OURS = (
    "search",
    "spaces",
    "trainables",
    "analysis",
    "benchmarks",
    "run_search",
)  # names that a user's modules cannot have
INSTALLED = {"site-packages", "dist-packages"}
LIBRARY = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
LARGEST = 64 << 20  # bytes of a file that is copied into the run


def import_entry(path: Path) -> dict[str, Path]:
    """Import a file as a module, with its folder on sys.path; return the user's modules by their paths in the code.

    Raises:
        SpaceError: the file's name is taken or has a dot, or a module cannot be copied into the run.
    """
    check_name(path)
    before = set(sys.modules)
    sys.path.insert(0, str(path.parent))
    importlib.import_module(path.stem)
    return loaded_since(before, path.parent)


def loaded_since(before: Collection[str], folder: Path) -> dict[str, Path]:
    """The user's modules that were imported since `before`, and those that they import later from a folder.

    Raises:
        SpaceError: a module cannot be copied into the run.
    """
    loaded = {name: sys.modules[name] for name in set(sys.modules) - set(before)}
    files = {name: Path(file) for name, module in loaded.items() if (file := getattr(module, "__file__", None))}
    found = {placed(name, file): file for name, file in files.items() if is_users(file)}
    return with_later_ones(found, [folder])


def check_name(path: Path) -> None:
    """Refuse a file if an import of its name would find another module, or none.

    Raises:
        SpaceError: the name is taken or has a dot; the message suggests another name.
    """
    stem = path.stem
    taken = stem in sys.stdlib_module_names or stem in OURS or is_installed(path)
    if taken or "." in stem:
        why = "another module has that name" if taken else "a module's name has no dot"
        raise SpaceError(f"{why}. Rename the file, such as {stem.replace('.', '_')}_search.py.")


def is_installed(path: Path) -> bool:
    """Whether an installed package has the file's name: another process would import the package instead."""
    spec = importlib.util.find_spec(path.stem) if path.stem.isidentifier() else None
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() != path.resolve()


def is_users(file: Path) -> bool:
    """Whether a file belongs to the user, not to the standard library, an installed package or this program."""
    if not file.is_absolute() or not file.is_file():
        return False  # a module that a library made up, such as torch.classes
    file = file.resolve()
    if INSTALLED & set(file.parts) or any(file.is_relative_to(folder) for folder in LIBRARY):
        return False
    return not (file.is_relative_to(ROOT) and file.relative_to(ROOT).parts[0].removesuffix(".py") in OURS)


def placed(module: str, file: Path) -> str:
    """The path of a module below a run's code folder.

    Raises:
        SpaceError: the module cannot be copied: it is compiled, or has the name of a package of this program.
    """
    if file.suffix != ".py":
        raise SpaceError(f"{file}: {module} is compiled, so it cannot be copied into the run. Install it as a package.")
    if module.partition(".")[0] in OURS:
        raise SpaceError(f"{file}: {module} has the name of a package of this program. Rename it.")
    name = module.replace(".", "/")
    return f"{name}/__init__.py" if file.name == "__init__.py" else f"{name}.py"


def with_later_ones(found: dict[str, Path], roots: Collection[Path]) -> dict[str, Path]:
    """Add the modules in `roots` that the found modules import, also those imported only when a function runs."""
    todo = list(found.items())
    while todo:
        place, file = todo.pop()
        for name in imported(place, file):
            for later, path in candidates(name, roots):
                if later not in found:
                    found[later] = path
                    todo.append((later, path))
    return found


def imported(place: str, file: Path) -> Iterator[str]:
    """Yield every name in the import statements of a module, also of those inside functions."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    package = place.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{each.name}" if base else each.name for each in node.names)


def candidates(name: str, roots: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the user's files in `roots` that an import of this name reads, also those of the packages around it."""
    parts = [part for part in name.split(".") if part]
    for root in roots:
        for end in range(1, len(parts) + 1):
            inner = "/".join(parts[:end])
            for place in (f"{inner}/__init__.py", f"{inner}.py"):
                if (root / place).is_file() and is_users(root / place):
                    yield place, root / place


def check_declared(where: str, folder: Path, names: Iterable[str]) -> None:
    """Refuse files of a space that would be neither copied into the run nor hashed.

    Args:
        where: the file of the space, as the user named it.
        folder: the folder of the space.

    Raises:
        SpaceError: a file is missing, lies outside the folder, or is itself a folder.
    """
    for name in names:
        if Path(name).is_absolute():
            continue  # it is hashed when the run is opened
        if ".." in Path(name).parts:
            raise SpaceError(f"{where}: files: {name} lies outside {folder}. Write its whole path.")
        if not (folder / name).is_file():
            why = (
                "is a folder. Name its files." if (folder / name).is_dir() else f"is not in {folder}. Correct its name."
            )
            raise SpaceError(f"{where}: files: {name} {why}")


def programs(folder: Path, words: Iterable[str]) -> dict[str, Path]:
    """The files below a folder that these words name, and the modules beside a Python file that this file imports.

    Raises:
        SpaceError: a file is too large to be copied.
    """
    found: dict[str, Path] = {}
    for word in words:
        path = folder / word
        if not Path(word).is_absolute() and ".." not in Path(word).parts and os.path.isfile(path):  # noqa: PTH113  see is_own in command.py
            found[Path(word).as_posix()] = path
            if path.stat().st_size > LARGEST:
                raise SpaceError(
                    f"{path}: {path.stat().st_size >> 20} MB are too much to be copied into the run. "
                    "Write its absolute path, and it stays there."
                )
    for script in [path for path in found.values() if path.suffix == ".py"]:
        beside = with_later_ones({script.name: script}, [script.parent])
        found |= {path.relative_to(folder).as_posix(): path for path in beside.values()}
    return found
