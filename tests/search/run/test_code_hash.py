"""The hash of the code covers what computes numbers, and nothing that is there for people to read."""

import ast
import shutil
from pathlib import Path

import pytest

import trainables
from search.run import identity

SOURCES = Path(trainables.__file__).parent
LOADING = {
    "trainables/config.py",
    "trainables/suggestions.py",
    *(f"trainables/parts/{name}.py" for name in ("bounds", "family", "named", "signature", "whose")),
    "trainables/data/loading.py",
    "trainables/files/durable.py",
    "trainables/hardware/nvidia.py",
}  # names and defaults, which a plan has in full; decoded images; files; what the driver says, of which run.json has the outcome
SMALL = '''
"""About a module."""
LIMIT = 3  # of something

def half(value: float) -> float:
    """Half of it."""
    if value < 0:
        raise ValueError(f"value must not be negative, but got {value}.")
    return value / 2
'''


def hashed(source: str) -> str:
    return identity.syntax(source)


@pytest.mark.parametrize(
    ("old", "new"),
    [("About a module.", "Of another kind."), ("# of something", "# of something else"), ("Half of it.", "The half."),
     ("value must not be negative, but got", "no value below zero, not"), ("value: float) -> float", "value)"),
     ('    """Half of it."""\n', ""), ("{value}.", "{value}!")],
)  # fmt: skip
def test_what_people_read_may_change(old, new):
    assert old in SMALL
    assert hashed(SMALL.replace(old, new)) == hashed(SMALL)


@pytest.mark.parametrize(
    ("old", "new"),
    [("/ 2", "/ 3"), ("LIMIT = 3", "LIMIT = 4"), ("value < 0", "value <= 0"), ("return value", "return -value"),
     ("ValueError", "TypeError"), ("{value}.", "{value + 1}.")],
)  # fmt: skip
def test_what_computes_may_not(old, new):
    assert old in SMALL
    assert hashed(SMALL.replace(old, new)) != hashed(SMALL)


def test_another_version_of_python_has_the_same_tree():
    """3.12 gave functions and classes a field for their type parameters, 3.13 leaves empty fields out of a dump."""
    tree = ast.parse(SMALL)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.type_params = []
            del node.decorator_list
    assert identity.plain(tree) == identity.plain(ast.parse(SMALL))
    attribute = "LIMIT: int = 3"
    assert hashed(attribute) == hashed(attribute.replace("int", "float"))
    assert hashed(attribute) != hashed(attribute.replace("3", "4"))


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources") / "trainables"
    shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def edit(copied, monkeypatch):
    """Writes another text into a file of a copy of the sources, for one test."""
    monkeypatch.setattr(trainables, "__file__", str(copied / "__init__.py"))
    edited = []

    def write(path, text):
        edited.append(path)
        (copied / path).write_text(text, "utf-8")

    yield write
    for path in edited:
        shutil.copy(SOURCES / path, copied / path)


@pytest.mark.parametrize("path", sorted(path.relative_to(SOURCES) for path in SOURCES.rglob("*.py")), ids=str)
def test_an_edited_docstring_or_message_anywhere_orphans_no_run(edit, path):
    before = identity.code_hash()
    edited = Louder().visit(ast.parse((SOURCES / path).read_text("utf-8")))
    edit(path, f'"""Another docstring."""\n{ast.unparse(ast.fix_missing_locations(edited))}')
    assert identity.code_hash() == before


class Louder(ast.NodeTransformer):
    """Changes every text that has a space in it."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(f"{node.value} Really.") if isinstance(node.value, str) and " " in node.value else node


@pytest.mark.parametrize("name", identity.numbers())
def test_an_edit_of_what_computes_is_noticed(edit, name):
    before = identity.code_hash()
    path = f"{name}.py"
    edit(path, (SOURCES / path).read_text("utf-8") + "\nLOUDER = 11\n")
    assert identity.code_hash() != before


def test_every_module_that_training_uses_is_hashed_or_known_to_compute_nothing():
    seen, todo = set(), ["trainables/training/loop.py"]
    while todo:
        name = todo.pop()
        if name not in seen | LOADING:
            seen.add(name)
            todo += imported(SOURCES.parent / name)
    assert seen - {"trainables/errors.py"} <= {f"trainables/{name}.py" for name in identity.numbers()}


def imported(path: Path) -> list[str]:
    """The modules of trainables/ that a module imports, wherever it does so, as paths."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    named = {name for node in nodes for name in (node.module, *(f"{node.module}.{each.name}" for each in node.names))}
    paths = {f"{name.replace('.', '/')}.py" for name in named if str(name).startswith("trainables.")}
    return sorted(each for each in paths if (SOURCES.parent / each).is_file())
