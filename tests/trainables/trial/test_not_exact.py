"""Parts of a user's that repeat differently: pytest tests/trainables/trial/test_not_exact.py"""

import sys
from dataclasses import replace

import pytest

from trainables.config import complete
from trainables.errors import RunError
from trainables.files import durable
from trainables.training.definition import Training
from trainables.trial import checkpointing
from trainables.trial.rows import REPEATED

NET = """
from torch import nn


class Drifting(nn.Module):
    made = 0

    def __init__(self, classes: int):
        super().__init__()
        Drifting.made += 1
        self.factor, self.layer = 1 + Drifting.made / 100, nn.Linear(3072, classes)

    def forward(self, images):
        return self.factor * self.layer(images.flatten(1))
"""


@pytest.fixture
def training(toy, tmp_path, monkeypatch):
    (tmp_path / "drifting.py").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "drifting", raising=False)
    config = complete({"model": "drifting.py:Drifting", "epochs": 3, "batch_size": 50, "lr": 0.01})
    return Training(config, toy, seed=0, device="cpu", precision="fp32")


def again(folder, training):
    """Two epochs, of which a kill takes the states."""
    list(checkpointing.run(folder, training, until=2))
    for path in durable.states(folder):
        durable.remove_checked(path)
    return list(checkpointing.run(folder, training))


@pytest.mark.usefixtures("one_thread")
def test_the_committed_row_stands_and_both_are_kept(training, tmp_path):
    folder = tmp_path / "trial"
    again(folder, training)
    rows = durable.read_lines(folder / "epochs.jsonl")
    assert [row.get("epoch") for row in rows] == [1, 2, 3, None]
    kept = durable.read_lines(folder / REPEATED)
    assert [line["epoch"] for line in kept] == [1, 2]
    assert [line["committed"] for line in kept] == rows[:2]
    assert all(line["again"] != line["committed"] for line in kept)


@pytest.mark.usefixtures("one_thread")
def test_a_part_of_ours_still_ends_the_search(training, tmp_path):
    folder, ours = tmp_path / "trial", replace(training, config=complete({"model": "mlp", "width": 8, "epochs": 3}))
    list(checkpointing.run(folder, ours, until=1))
    path = folder / "epochs.jsonl"
    path.write_text(path.read_text().replace('"train_loss": ', '"train_loss": 1'))
    for state in durable.states(folder):
        durable.remove_checked(state)
    with pytest.raises(RunError, match="not reproducible"):
        list(checkpointing.run(folder, ours))
