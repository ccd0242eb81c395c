"""The example of docs/spaces.md is a space: pytest tests/spaces/test_documentation.py"""

import re
from pathlib import Path

import spaces
from search.run import plan
from spaces import Space, warnings

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


def test_the_changes_that_it_shows_can_be_made():
    assert spaces.changed(spaces.load("mlp_random"), ["lr=loguniform(1e-4,1)", "depth=2,3,4", "batch_size=256"])
    fewer = ["model=resnet18", "depth=default", "width=default"]
    assert spaces.changed(spaces.load("mlp_random"), fewer)[0].constants["model"] == "resnet18"
