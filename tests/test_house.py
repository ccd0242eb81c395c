"""The rooms of the house and the way between them: pytest tests/test_house.py"""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("trainables", "spaces", "search", "analysis", "run_search")  # each imports what stands before it
ROOMS = {  # of a package: each imports what stands before it
    "trainables": (
        "errors", "seeds", "suggestions", "parts", "config", "cli", "files", "objective", "written", "hardware", "data", "models",
        "augmentations", "optimizers", "schedules", "losses", "training", "engine", "trial", "own", "__main__",
    ),
    "search": (
        "status", "algorithms", "flags", "stopping", "records", "settings", "rehearsal", "run", "turns", "faults", "backend",
        "attempts", "terminal", "notebook",
    ),
    "analysis": (
        "render", "frame", "ranking", "diagnostics", "plots", "results", "lookup", "report", "export", "verify", "mirrors",
        "views", "cli", "__main__",
    ),
}  # fmt: skip
MOST = 15  # modules side by side
HELPS = ("run_search", "analysis.__main__", "trainables.__main__", "trainables.data.__main__")
SLOW = {"torch", "ray", "pandas", "optuna"}


def named(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {
    named(path): path
    for package in PACKAGES
    for path in ([ROOT / f"{package}.py"] if package == "run_search" else sorted((ROOT / package).rglob("*.py")))
    if "standalone" not in path.parts
}


@functools.cache
def imported(module: str) -> frozenset[str]:
    """All that a module names in its imports, in functions and for types too; modules of ours by their whole names."""
    nodes = list(ast.walk(ast.parse(SOURCES[module].read_text("utf-8"))))
    found = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            for each in node.names:
                whole = f"{node.module}.{each.name}"
                found.add(whole if whole in SOURCES else str(node.module))
    return frozenset(found)


def ours(module: str) -> frozenset[str]:
    return (imported(module) & SOURCES.keys()) - {module}


def room(module: str) -> str:
    return module.split(".")[1]


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def reached(start: str) -> set[str]:
    """All modules of ours that a module needs, by way of others too."""
    found, todo = set(), [start]
    while todo:
        new = ours(todo.pop()) - found
        found |= new
        todo += new
    return found


def test_no_module_needs_itself() -> None:
    assert [module for module in SOURCES if module in reached(module)] == []


def test_packages_need_those_before_them() -> None:
    def place(module: str) -> int:
        return PACKAGES.index(module.partition(".")[0])

    wrong = [(module, other) for module in SOURCES for other in ours(module) if place(other) > place(module)]
    assert wrong == []


@pytest.mark.parametrize("package", ROOMS)
def test_every_room_is_in_the_order(package: str) -> None:
    assert {room(module) for module in SOURCES if module.startswith(f"{package}.")} <= set(ROOMS[package])


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_need_those_before_them(package: str) -> None:
    order = ROOMS[package]
    inside = [module for module in SOURCES if module.startswith(f"{package}.")]
    wrong = [
        (module, other)
        for module in inside
        for other in ours(module) & set(inside)
        if order.index(room(other)) > order.index(room(module))
    ]
    assert wrong == []


def test_only_the_backend_imports_ray() -> None:
    users = {module for module in SOURCES if any(within(name, "ray") for name in imported(module))}
    assert users
    assert {module for module in users if not within(module, "search.backend")} == set()


def test_verify_needs_frame_alone() -> None:
    """Of analysis, by way of other modules too."""
    needed = {other for module in SOURCES if within(module, "analysis.verify") for other in reached(module)}
    analysis = {other for other in needed if within(other, "analysis")} - {"analysis"}
    assert {
        other for other in analysis if not (within(other, "analysis.frame") or within(other, "analysis.verify"))
    } == set()


@pytest.mark.parametrize("module", HELPS)
def test_help_loads_nothing_slow(module: str) -> None:
    code = f"import sys, {module}; print(sorted({SLOW} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout == "[]\n"


def test_a_package_imports_nothing() -> None:
    """Or every import of one of its modules would load that too. `spaces` is what a user's space imports."""
    packages = [module for module, path in SOURCES.items() if path.name == "__init__.py" and module != "spaces"]
    frame = {"analysis.frame"}  # one function, which imports when it is called
    eager = {
        module: [ast.unparse(node) for node in ast.parse(SOURCES[module].read_text("utf-8")).body if is_import(node)]
        for module in packages
        if module not in frame
    }
    assert {module: lines for module, lines in eager.items() if lines} == {}


def is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    folders = {path.parent for path in SOURCES.values()} - {ROOT, ROOT / "spaces"}
    counts = {
        str(each.relative_to(ROOT)): len([path for path in each.glob("*.py") if path.stem != "__init__"])
        for each in folders
    }
    assert {folder: count for folder, count in counts.items() if count > MOST} == {}
