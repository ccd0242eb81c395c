"""Every space trains: its baseline and its first drawn point, one epoch on a few digits: pytest tests/spaces"""

import math

import numpy as np
import pytest
import torch

import spaces
from search import plan
from trainables import cost, digits
from trainables.data import Dataset, Split
from trainables.train import train

QUICK = 30e6  # FLOPs of one image; above, a run takes seconds


@pytest.fixture(scope="module")
def few():
    """160 digits to train on and 40 for validation."""
    images, labels = digits.read()
    train, val = Split(images[:160], labels[:160]), Split(images[160:200], labels[160:200])
    grey = float(np.mean(images)) / 255
    return Dataset("digits", train, val, digits.CLASSES, (grey,) * 3, (0.4,) * 3, "0" * 64, {"train": 160, "val": 40})


def points():
    for name in spaces.names():
        space = spaces.load(name)
        for entry in plan.draw(space, plan.default_algorithm(space), 2, seed=0):
            slow = cost.flops(entry["config"], len(digits.CLASSES)) > QUICK
            yield pytest.param(
                entry["config"], id=f"{name}-{entry['source']}", marks=[pytest.mark.integration] if slow else []
            )


@pytest.mark.parametrize("config", list(points()))
def test_a_point_of_the_space_trains(few, config):
    torch.set_num_threads(1)
    (epoch,) = train(config | {"epochs": 1}, few, seed=0, device="cpu", precision="fp32")
    assert all(math.isfinite(value) for value in epoch.metrics.values())
    assert len(epoch.best.predicted) == 40
