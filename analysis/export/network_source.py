"""Cut the source of one network out of this project's sources, as a module that needs torch alone."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trainables
from trainables.config import IMAGE_SIZE
from trainables.parts import named
from trainables.parts.bounds import BOUNDED
from trainables.parts.family import MODEL, built_in

MODELS = Path(trainables.__file__).parent / "models"
STANDALONE = {  # those built with the help of torchvision or of our own kernels
    name: Path(__file__).parent / "standalone" / f"{name}.py" for name in ("convnet", "resnet18")
}
REPLACED = {  # our dropout differs from torch's in how it draws its random numbers, so only while training
    "from trainables.models.layers.dropout import Dropout": "from torch.nn import Dropout",
}


def files(config: Mapping[str, Any]) -> dict[str, str]:
    """The Python files of an export by their names."""
    if named.is_built_in(config["model"]):
        return {"model.py": source(config["model"])}
    from analysis.export import own_source  # torch

    return own_source.files(config)


def source(model: str) -> str:
    """The text of model.py: everything that the function `model` refers to, and `build` for it."""
    text = BOUNDED.sub(r"\1", STANDALONE.get(model, MODELS / f"{model}.py").read_text("utf-8"))
    tree = ast.parse(text)
    wanted = needed(tree, model)
    parts = [segment(text, node) for node in tree.body if is_definition(node) and bound(node) & wanted]
    imports = [line for node in tree.body if not is_definition(node) for line in import_lines(node, wanted)]
    head = f'"""The network `{model}`: images in as (N, 3, S, S) normalised floats, logits out as (N, classes)."""'
    return "\n\n\n".join([f"{head}\n\n" + "\n".join(imports), *parts, builder(model)]) + "\n"


def builder(model: str) -> str:
    """A function that makes the network of config.json."""
    knobs = "".join(f', {name}=config["{name}"]' for name in built_in(MODEL)[model])
    return f'def build(config, classes):\n    return {model}(classes{knobs}, image_size=config.get("image_size", {IMAGE_SIZE}))'


def needed(tree: ast.Module, name: str) -> set[str]:
    """Every name that the definition of `name` uses, directly or through other definitions of the module."""
    uses = {
        bound_name: {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        for node in tree.body
        if is_definition(node)
        for bound_name in bound(node)
    }
    found, open_names = {name}, [name]
    while open_names:
        for used in uses.get(open_names.pop(), set()) - found:
            found.add(used)
            open_names.append(used)
    return found


def is_definition(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign)


def bound(node: ast.stmt) -> set[str]:
    """The names that a definition defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}


def segment(text: str, node: ast.stmt) -> str:
    """The lines of a definition, including its decorators and a comment at the end of its last line."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


def import_lines(node: ast.stmt, wanted: set[str]) -> list[str]:
    """The wanted imports of a statement, one import a line."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return []
    lines = []
    for alias in node.names:
        if (alias.asname or alias.name).partition(".")[0] in wanted:
            line = ast.unparse(
                ast.Import([alias]) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, [alias], 0)
            )
            lines.append(REPLACED.get(line, line))
    return lines
