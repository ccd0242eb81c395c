"""Which files are a user's code: the modules that were imported, those that they import later, and programs.

Not the standard library's, not installed packages', not ours.
"""

import ast
import importlib
import importlib.util
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
    """Import a file as a module, its folder being importable, and return the user's modules by their paths in the code.

    Raises:
        SpaceError: a name that is taken, or a compiled module.
    """
    check_name(path)
    before = set(sys.modules)
    sys.path.insert(0, str(path.parent))
    importlib.import_module(path.stem)
    return loaded_since(before, path.parent)


def loaded_since(before: Collection[str], folder: Path) -> dict[str, Path]:
    """The user's modules that were imported since only these were, and those that they import later from a folder.

    Raises:
        SpaceError: a compiled module.
    """
    loaded = {name: sys.modules[name] for name in set(sys.modules) - set(before)}
    files = {name: Path(file) for name, module in loaded.items() if (file := getattr(module, "__file__", None))}
    found = {placed(name, file): file for name, file in files.items() if is_users(file)}
    return with_later_ones(found, [folder])


def check_name(path: Path) -> None:
    """Refuse a file under whose name something else is imported.

    Raises:
        SpaceError: with a name that would do.
    """
    stem = path.stem
    taken = stem in sys.stdlib_module_names or stem in OURS or is_installed(path)
    if taken or "." in stem:
        why = "another module has that name" if taken else "a module's name has no dot"
        raise SpaceError(f"{why}. Rename the file, such as {stem.replace('.', '_')}_search.py.")


def is_installed(path: Path) -> bool:
    """Whether the name of a file is that of an installed package, which would be another module in another process."""
    spec = importlib.util.find_spec(path.stem) if path.stem.isidentifier() else None
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() != path.resolve()


def is_users(file: Path) -> bool:
    """Whether a file is neither of the standard library, nor installed, nor ours."""
    if not file.is_absolute() or not file.is_file():
        return False  # a module that a library made up, such as torch.classes
    file = file.resolve()
    if INSTALLED & set(file.parts) or any(file.is_relative_to(folder) for folder in LIBRARY):
        return False
    return not (file.is_relative_to(ROOT) and file.relative_to(ROOT).parts[0].removesuffix(".py") in OURS)


def placed(module: str, file: Path) -> str:
    """Where a module lies in the code of a run.

    Raises:
        SpaceError: it cannot travel.
    """
    if file.suffix != ".py":
        raise SpaceError(f"{file}: {module} is compiled, so it cannot be copied into the run. Install it as a package.")
    if module.partition(".")[0] in OURS:
        raise SpaceError(f"{file}: {module} has the name of a package of this program. Rename it.")
    name = module.replace(".", "/")
    return f"{name}/__init__.py" if file.name == "__init__.py" else f"{name}.py"


def with_later_ones(found: dict[str, Path], roots: Collection[Path]) -> dict[str, Path]:
    """The same with those that are imported only when a function runs, as far as they lie in these folders."""
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
    """All that a module names in its imports, in functions too."""
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
    """The files that an import of this name reads, packages around it included, if they lie in these folders."""
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
        folder: in which it lies.

    Raises:
        SpaceError: one is not there, lies elsewhere, or is a folder.
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
    """The files below a folder that these words name, and what the Python ones among them import from beside them.

    Raises:
        SpaceError: one is too large to be copied.
    """
    found: dict[str, Path] = {}
    for word in words:
        path = folder / word
        if not Path(word).is_absolute() and ".." not in Path(word).parts and path.is_file():
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
