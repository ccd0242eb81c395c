"""A search of a user's own network, exported and scored elsewhere: pytest tests/search/test_own_network_exported.py"""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from analysis.export import bundle
from analysis.export.predict import probabilities
from search.run import confirmation
from spaces import Space, choice
from tests.search import without_ray
from trainables.errors import RunError

NET = """
from torch import nn


class Viewing(nn.Module):
    channels_last = False

    def __init__(self, classes: int, width: int = 4) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, width, 3), nn.Linear(width * 900, classes)

    def forward(self, images):
        return self.last(self.first(images).relu().view(images.shape[0], -1))
"""


@pytest.mark.slow
@pytest.mark.integration
def test_it_is_as_right_elsewhere_as_was_recorded(tmp_path, monkeypatch, settings, toy):
    (tmp_path / "viewing_net.py").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "viewing_net", raising=False)
    params = {"model": "viewing_net.py:Viewing", "lr": choice(0.01, 0.02), "batch_size": 20, "schedule": "constant"}
    asked = settings(space=Space(params=params, baseline={"lr": 0.01}, epochs=2))
    run = without_ray.search(tmp_path / "run", asked, toy)
    winner = confirmation.winner(run)
    told = bundle.export(run, winner, tmp_path / "net", lambda: toy, toy.val, again=False)
    right = f"{100 * winner.best['val_accuracy']:.2f} % of 40 validation images right"
    assert told == f"loads without this project, {right}, as recorded"
    facts = json.loads((tmp_path / "net" / "config.json").read_text())
    chances = np.array(probabilities(tmp_path / "net", facts, list(toy.val.images)))
    assert (chances.argmax(1) == toy.val.labels).mean() == winner.best["val_accuracy"], "by its program"
    others = replace(toy.val, labels=(toy.val.labels + 1) % len(toy.classes))
    with pytest.raises(RunError, match=r"not usable: .* % are recorded"):
        bundle.export(run, winner, tmp_path / "net", lambda: toy, others, again=False)
