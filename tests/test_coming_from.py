"""The code in docs/coming-from.md: pytest tests/test_coming_from.py

That of Lightning and Transformers runs where they are installed; nothing of this project installs them.
"""

import importlib
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import spaces
from analysis.verify.run_folder import verify
from search.settings import Settings
from tests import own
from trainables.config import complete
from trainables.trial.rehearsal import rehearse

TEXT = (Path(__file__).parents[1] / "docs" / "coming-from.md").read_text()
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", TEXT, re.DOTALL))
PROGRAMS = {"from_wandb": "torch", "from_lightning": "lightning", "from_transformers": "transformers"}
OWN = ("from_ray", "from_optuna", *PROGRAMS)


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """The files that the page shows, and the Python that runs this as the one of PATH."""
    for name, source in FILES.items():
        (tmp_path / name).write_text(source)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def asked(file: Path) -> Settings:
    """Two configurations of a space of the page, for three epochs."""
    found = spaces.find(str(file))
    return Settings(
        space_name=found.name, space=found.space, code=found.code, objective=found.space.objective, dataset="",
        dataset_short="", fallback=None, cache=Path(), algorithm="random", scheduler="none", num_samples=2, epochs=3,
    )  # fmt: skip


def marked(name: str) -> object:
    return pytest.param(name, marks=[pytest.mark.integration, pytest.mark.slow] if name in PROGRAMS else ())


@pytest.mark.parametrize("name", list(map(marked, OWN)))
def test_a_training_that_grows_has_the_rows_of_one_that_is_whole(pages, name):
    """Each is trained for three epochs and, continued, for five. Its rows are those of five epochs at once."""
    pytest.importorskip(PROGRAMS.get(name, "torch"))
    three = asked(pages / f"{name}.py")
    own.search(pages / "cut", three)
    grown = own.search(pages / "cut", replace(three, epochs=5))
    whole = own.search(pages / "whole", replace(three, epochs=5))
    assert [trial.status for trial in grown.trials] == ["finished", "finished"]
    assert [trial.epochs for trial in grown.trials] == [trial.epochs for trial in whole.trials]
    assert [len(trial.epochs) for trial in grown.trials] == [5, 5]
    assert not [trial for trial in grown.trials if trial.repeated]
    assert verify(pages / "cut") == []


def test_a_network_that_was_built_from_hp_is_a_model(pages, monkeypatch):
    monkeypatch.syspath_prepend(str(pages))
    monkeypatch.delitem(sys.modules, "from_keras", raising=False)
    space = importlib.import_module("from_keras").SPACE
    config = space.config(space.baseline) | {"epochs": 2, "batch_size": 20}
    assert {"units", "dropout"} <= complete(config).keys()
    assert rehearse([config], 4) == []


def test_every_space_of_the_page_is_tried_here():
    assert {name for name in FILES if name.startswith("from_")} == {f"{name}.py" for name in (*OWN, "from_keras")}
