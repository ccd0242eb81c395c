"""Mutated files of spaces: a Space that can be searched, or a SpaceError; never anything else. FUZZ_EXAMPLES says how many.

Only harmless text is put together: the pieces of the real spaces, and values that a person could mistype.
"""

import ast
import itertools
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import spaces
from search.run import plan
from trainables.config import complete
from trainables.errors import SpaceError

pytestmark = pytest.mark.integration
often = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", settings().max_examples)),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SOURCES = [Path(spaces.__file__).with_name(f"{name}.py").read_text() for name in spaces.names()]
values = st.sampled_from(
    ["0", "-1", "1e999", "float('nan')", "None", "True", "'mlp'", "'mpl'", "''", "[]", "{}", "()", "lambda: 0", "choice()",
     "choice(1, 1)", "choice('mlp', 'convnet')", "uniform(1, 0)", "uniform(0, float('inf'))", "loguniform(0, 1)",
     "integers(1, 2)", "integers(0.5, 2)", "choice([1])", "choice({})", "uniform('a', 'b')", "integers(1, 10**30)",
     "undefined", "choice(*range(400))", "1 << 40", "b'x'", "Space", "print", "0.1 + 0.2j", "'\\ud800'", "...", "1 / 0"]
)  # fmt: skip
names = st.sampled_from(
    ["lr", "Lr", "model", "epochs", "depth", "width", "momentum", "batch_size", "schedule", "", "é", "x" * 300]
)
counter = itertools.count()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A place for spaces; python leaves no compiled files there, which could be taken for a later space of that name."""
    monkeypatch.setattr(spaces, "FOLDER", tmp_path)
    monkeypatch.setattr(spaces, "__path__", [str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


@st.composite
def sources(draw) -> str:
    """A real space with a few mistakes: values, keys and arguments exchanged, or characters lost."""
    text = draw(st.sampled_from(SOURCES))
    for _ in range(draw(st.integers(1, 3))):
        text = draw(st.sampled_from([change_value, change_value, change_name, drop_node, cut, insert]))(draw, text)
    return text


def nodes(text: str, kinds: type | tuple[type, ...]) -> list[ast.expr]:
    try:
        return [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    except (SyntaxError, ValueError):
        return []


def replaced(draw, text: str, found: list[ast.expr], new: str) -> str:
    """text with one of these nodes written otherwise."""
    if not found:
        return text
    node = draw(st.sampled_from(found))
    lines = text.splitlines(keepends=True)
    offset = [0, *itertools.accumulate(len(line.encode()) for line in lines)]
    data = text.encode("utf-8", "surrogatepass")
    start, end = offset[node.lineno - 1] + node.col_offset, offset[node.end_lineno - 1] + node.end_col_offset
    return (data[:start] + new.encode("utf-8", "surrogatepass") + data[end:]).decode("utf-8", "replace")


def change_value(draw, text: str) -> str:
    return replaced(draw, text, nodes(text, (ast.Constant, ast.Call, ast.Dict)), draw(values))


def change_name(draw, text: str) -> str:
    keys = [node for node in nodes(text, ast.Constant) if isinstance(node.value, str)]
    return replaced(draw, text, keys, repr(draw(names)))


def drop_node(draw, text: str) -> str:
    return replaced(draw, text, nodes(text, ast.expr), "")


def cut(draw, text: str) -> str:
    start = draw(st.integers(0, len(text)))
    return text[:start] + text[start + draw(st.integers(0, 30)) :]


def insert(draw, text: str) -> str:
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(st.sampled_from([",", "(", "\n", " ", "\x00", "=", "'", "é", "\t"])) + text[place:]


@often
@given(sources(), st.integers(0, 3))
def test_a_mutated_space_can_be_searched_or_is_refused(folder, text, seed):
    name = f"made_up_{next(counter)}"
    (folder / f"{name}.py").write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        space = spaces.load(name)
        search(space, seed)
    except SpaceError as error:
        assert str(error)
    finally:
        sys.modules.pop(f"spaces.{name}", None)
        (folder / f"{name}.py").unlink()


def search(space: spaces.Space, seed: int) -> None:
    """Everything that is done with a space before a trial is trained."""
    algorithm = plan.default_algorithm(space)
    count = min(12, plan.size(space, algorithm, None))
    drawn = plan.draw(space, algorithm, count, seed)
    assert drawn == plan.draw(space, algorithm, count, seed)
    assert len(drawn) == count == len({entry["id"] for entry in drawn})
    assert json.loads(json.dumps(drawn, allow_nan=False)) == drawn
    assert space.digest() == space.digest()
    for entry in drawn:
        assert complete(entry["config"] | {"epochs": space.epochs})
        assert all(entry["config"][key] in value for key, value in space.ranges(entry["config"]).items())


@often
@given(st.text(max_size=30))
def test_any_text_as_the_name_of_a_space(text):
    if text in spaces.names():
        return
    with pytest.raises(SpaceError, match=r"unknown space|no file of Python: .*--list-spaces"):
        spaces.load(text)


def test_a_space_that_ends_python_is_refused(folder):
    (folder / "leaver.py").write_text("exit(3)\n")
    with pytest.raises(SpaceError, match=r"leaver\.py:1"):
        spaces.load("leaver")
