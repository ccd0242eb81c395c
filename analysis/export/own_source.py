"""The source of a network that is not built in: the user's file without its space, and the user's files that it imports."""

import ast
import importlib.util
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainables.config import image_size
from trainables.parts import calling, named, whose
from trainables.parts.bounds import BOUNDED
from trainables.parts.family import MODEL

OURS = ("spaces", "trainables")  # packages of this project, which an export does not import
OF_LIBRARIES = {
    "torchvision": "torchvision.models.get_model({name!r}, weights=None, num_classes=classes{more})",
    "timm": "timm.create_model({name!r}, pretrained=False, num_classes=classes, drop_rate=config['dropout'])",
}
IMPORTS = {"torchvision": "torchvision.models", "timm": "timm"}


def files(config: Mapping[str, Any]) -> dict[str, str]:
    """The Python files of an export by their names: model.py with the function `build`, and the files that model.py imports."""
    text = str(config["model"])
    if library := named.adapter(text):
        return {"model.py": of_library(library, text.partition(":")[2], image_size(config))}
    part = named.load(MODEL, text)
    path, module = Path(inspect.getsourcefile(part) or ""), part.__module__
    beside = {name: bare(each.read_text("utf-8")) for name, each in imported(module, path, set())}
    if "." not in module:
        return {"model.py": bare(path.read_text("utf-8")) + builder(part, config), **beside}
    own = {file_of(module, path): bare(path.read_text("utf-8"))}  # in its package, whose modules may import it
    return {"model.py": f"from {module} import {part.__name__}\n{builder(part, config)}", **own, **beside}


def of_library(library: str, name: str, size: int) -> str:
    """model.py for a network of another library."""
    more = f", image_size={size}" if name.startswith("vit_") else ""
    made = OF_LIBRARIES[library].format(name=name, more=more)
    return (
        f'"""The network `{name}` of {library}."""\n\nimport {IMPORTS[library]}\n\n\n'
        f"def build(config, classes):\n    return {made}\n"
    )


def bare(text: str) -> str:
    """A user's file without `SPACE`, without imports of this project, and without search limits in its type hints."""
    lines = BOUNDED.sub(r"\1", text).splitlines()
    for node in ast.parse("\n".join(lines)).body:
        if is_ours(node):
            lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    return "\n".join(lines).rstrip() + "\n"


def is_ours(node: ast.stmt) -> bool:
    """Whether a statement belongs to the search, not to the network: an import of this project, or `SPACE`."""
    if isinstance(node, ast.ImportFrom):
        return str(node.module).partition(".")[0] in OURS and not node.level
    if isinstance(node, ast.Import):
        return all(each.name.partition(".")[0] in OURS for each in node.names)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [ast.unparse(target) for target in targets] == ["SPACE"]


def builder(part: Any, config: Mapping[str, Any]) -> str:
    """The function that makes the network of config.json."""
    given = calling.asked_for(part, {"classes": "classes", "num_classes": "classes", "image_size": image_size(config)})
    words = [f"{name}={value}" for name, value in given.items()]
    words += [f'{name}=config["{key_of(name, config)}"]' for name in calling.knobs(MODEL, config)]
    return f"\n\nNETWORK = {part.__name__}\n\n\ndef build(config, classes):\n    return NETWORK({', '.join(words)})\n"


def key_of(name: str, config: Mapping[str, Any]) -> str:
    """The key under which a configuration holds a parameter of the network."""
    return f"{MODEL.key}.{name}" if f"{MODEL.key}.{name}" in config else name


def imported(module: str, path: Path, seen: set[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the user's files that a module imports, directly or through others, each with its path in the export."""
    seen.add(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for name in sorted(module_names(ast.parse(path.read_text("utf-8")), package)):
        found = origin(name)
        if found and found not in seen and whose.is_users(str(found)):
            yield file_of(name, found), found
            yield from imported(name, found, seen)


def file_of(module: str, path: Path) -> str:
    """The path of a module in an export."""
    return f"{module.replace('.', '/')}{'/__init__' if path.name == '__init__.py' else ''}.py"


def module_names(tree: ast.Module, package: str) -> set[str]:
    """The names of all modules that a module of a package imports, also inside functions, with their packages and its own."""
    nodes = list(ast.walk(tree))
    found = {package} | {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (package or not node.level):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
            found.add(base)
            found |= {f"{base}.{each.name}" for each in node.names if may_hold_modules(base)}
    names = {".".join(name.split(".")[:depth]) for name in found for depth in range(1, name.count(".") + 2)}
    return names - {""}


def may_hold_modules(name: str) -> bool:
    """Whether what is imported from a module may be a module of the user's itself."""
    found = origin(name)
    return found is None or (found.name == "__init__.py" and whose.is_users(str(found)))


def origin(name: str) -> Path | None:
    """The Python source file of a module; None if the module is not found or has none."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
