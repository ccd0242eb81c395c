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
    """Two configurations of a space of the page: three epochs each, and two more of the better one."""
    found = spaces.find(str(file))
    return Settings(
        space_name=found.name, space=found.space, code=found.code, objective=found.space.objective, dataset="",
        dataset_short="", fallback=None, cache=Path(), algorithm="random", scheduler="epochs:3", num_samples=2, epochs=5,
    )  # fmt: skip


def marked(name: str) -> object:
    return pytest.param(name, marks=[pytest.mark.integration, pytest.mark.slow] if name in PROGRAMS else ())


@pytest.mark.parametrize("name", list(map(marked, OWN)))
def test_a_training_that_is_continued_has_the_rows_of_one_that_is_not(pages, name):
    """The better one of two ends after three epochs and is started again for two more."""
    pytest.importorskip(PROGRAMS.get(name, "torch"))
    settings = asked(pages / f"{name}.py")
    cut = own.search(pages / "cut", settings)
    whole = own.search(pages / "whole", replace(settings, scheduler="none"))
    assert sorted((trial.status, len(trial.epochs)) for trial in cut.trials) == [("finished", 5), ("stopped", 3)]
    assert [trial.status for trial in whole.trials] == ["finished", "finished"]
    for trial, straight in zip(cut.trials, whole.trials, strict=True):
        assert trial.epochs == straight.epochs[: len(trial.epochs)]
        assert not trial.repeated
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
