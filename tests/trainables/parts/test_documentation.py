"""The code of docs/bring-your-own-model.md, run: pytest tests/trainables/parts/test_documentation.py"""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trainables.cli import child
from trainables.config import complete
from trainables.own import metric
from trainables.training.definition import Training
from trainables.training.loop import train
from trainables.training.own_metrics import measure
from trainables.trial.rehearsal import rehearse

TEXT = (Path(__file__).parents[3] / "docs" / "bring-your-own-model.md").read_text()
COMMAND = "python -m trainables --dataset digits --model my_search.py:FlowerNet --channels 64 --epochs 2"

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """The files that the page shows, in a folder from which they can be imported."""
    for name, source in re.findall(r"```python\n# (\w+)\.py\n(.*?)```", TEXT, re.DOTALL):
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return tmp_path


def test_its_space_is_searched(pages, toy):
    space = importlib.import_module("my_search").SPACE
    assert space.params["model"] == "my_search.py:FlowerNet"
    config = space.config(space.baseline) | {"epochs": 2, "batch_size": 50}
    assert rehearse([config], 4) == []
    rows = [epoch.metrics for epoch in train(Training(config, toy, seed=0, device="cpu", precision="fp32"))]
    assert rows[1]["train_loss"] < rows[0]["train_loss"]


def test_its_parts_train(pages, toy):
    parts = {"loss": "focal", "optimizer": "two_rates", "schedule": "warm", "augment": "Darker"}
    config = complete({"model": "mlp", "width": 16, **{key: f"my_parts.py:{name}" for key, name in parts.items()}})
    assert {"gamma", "last_lr", "share", "most"} <= config.keys()
    assert rehearse([config], 4) == []


def test_its_metric_is_an_objective(pages):
    found = metric.objective("my_metrics.py:cost", pages)
    assert (found.column, found.mode) == ("val_cost", "min")
    assert rehearse([], 4, found.source) == []
    assert measure(found.source, np.array([0, 1, 2, 0]), np.array([1, 1, 0, 0])) == 1.5


@pytest.mark.slow
@pytest.mark.integration
def test_its_command_trains(pages):
    assert COMMAND in TEXT
    words = [sys.executable, *COMMAND.split()[1:], "--quiet", "--fraction", "0.1"]
    done = subprocess.run(words, cwd=pages, env=child.environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "val_accuracy" in done.stdout
