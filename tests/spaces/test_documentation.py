"""The example of docs/spaces.md is a space: pytest tests/spaces/test_documentation.py"""

import re
from dataclasses import MISSING, fields
from pathlib import Path

import spaces
from search.run import plan
from spaces import Space, warnings
from trainables.config import BUILT_IN, CHOICES, KEYS
from trainables.parts.family import FAMILIES

TEXT = (Path(__file__).parents[2] / "docs" / "spaces.md").read_text()


def example(tmp_path, monkeypatch) -> Space:
    (source,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "documented.py").write_text(source)
    monkeypatch.setattr(spaces, "FOLDER", tmp_path)
    monkeypatch.setattr(spaces, "__path__", [str(tmp_path)])
    return spaces.load("documented")


def test_the_example_can_be_searched_by_every_algorithm_but_a_grid(tmp_path, monkeypatch):
    space = example(tmp_path, monkeypatch)
    assert warnings(space) == []
    for algorithm in ("random", "qmc"):
        drawn = [line["config"] for line in plan.draw(space, algorithm, 27, 0)]
        assert {config["model"] for config in drawn} == {"mlp", "convnet"}
        assert {(config["batch_size"], config["weight_decay"]) for config in drawn} <= {
            (64, 2e-4),
            (128, 4e-4),
            (256, 8e-4),
        }


def test_the_example_has_every_range(tmp_path, monkeypatch):
    example(tmp_path, monkeypatch)
    for name in (
        "choice",
        "uniform",
        "loguniform",
        "integers",
        "logintegers",
        "linked",
        "when",
        "step=",
        "constraint=",
    ):
        assert f"{name}" in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]


def cells(first: str) -> dict[str, list[str]]:
    """The other cells of each row of the table whose first heading this is, by the names in the row's first cell."""
    (table,) = re.findall(rf"^\| {first} \|.*\n\|[ -|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {name: row[1:] for row in rows for name in re.findall(r"`([a-z_0-9]+)`", row[0])}


def test_every_hyperparameter_has_its_default():
    """The model's depth and width differ from model to model."""
    rows = cells("hyperparameter")
    assert rows.keys() == set(KEYS) - {"epochs"}
    for name in rows.keys() - {"depth", "width"}:
        default = FAMILIES[name].default if name in FAMILIES else BUILT_IN[name][0].default
        assert type(default)(rows[name][0]) == default, name
        assert all(choice in " ".join(rows[name]) for choice in CHOICES.get(name, ())), name


def test_every_argument_of_a_space_has_its_default():
    rows = cells("argument of `Space`")
    assert rows.keys() - {"none"} == {each.name for each in fields(Space) if each.init} - {"is_middle"}
    for each in fields(Space):
        if each.name in ("samples", "scheduler", "bfloat16", "mode", "form"):
            assert each.default is not MISSING
            assert str(each.default) in rows[each.name][0], each.name


def test_the_changes_that_it_shows_can_be_made():
    assert spaces.changed(spaces.load("mlp_random"), ["lr=loguniform(1e-4,1)", "depth=2,3,4", "batch_size=256"])
    fewer = ["model=resnet18", "depth=default", "width=default"]
    assert spaces.changed(spaces.load("mlp_random"), fewer)[0].constants["model"] == "resnet18"
