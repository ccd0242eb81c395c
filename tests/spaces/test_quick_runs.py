"""Every space trains, each choice that has a name once, one epoch on a few digits: pytest tests/spaces"""

import math

import numpy as np
import pytest
import torch

import spaces
from search.run import plan
from spaces import Choice
from trainables.data.loading import Dataset, Split
from trainables.data.sources import digits
from trainables.models import cost
from trainables.training.definition import Training
from trainables.training.loop import train

QUICK = 30e6  # FLOPs of one image; above, a run takes seconds
DRAWN = 60  # points to find every choice among


@pytest.fixture(scope="module")
def few():
    """160 digits to train on and 40 for validation."""
    images, labels = digits.read()
    train, val = Split(images[:160], labels[:160]), Split(images[160:200], labels[160:200])
    grey = float(np.mean(images)) / 255
    return Dataset("digits", train, val, digits.CLASSES, (grey,) * 3, (0.4,) * 3, "0" * 64, {"train": 160, "val": 40})


def points():
    for name in spaces.names():
        for entry in telling(spaces.load(name)):
            slow = cost.flops(entry["config"], len(digits.CLASSES)) > QUICK
            marks = [pytest.mark.slow] if slow else []
            yield pytest.param(entry["config"], id=f"{name}-{entry['index']}", marks=marks)


def telling(space):
    """The baseline, the first drawn point, and each further one with a model, optimizer, ... that none before it had."""
    algorithm = plan.default_algorithm(space)
    seen = set()
    for entry in plan.draw(space, algorithm, plan.size(space, algorithm, DRAWN), seed=0):
        names = {(key, value) for key, value in entry["config"].items() if isinstance(value, str)}
        if entry["index"] < 2 or names - seen:
            yield entry
        seen |= names


def test_every_choice_with_a_name_is_among_them():
    for name in spaces.names():
        space = spaces.load(name)
        shown = {(key, value) for entry in telling(space) for key, value in entry["config"].items()}
        asked = {(key, value) for key, own in space.searched.items() if isinstance(own, Choice) for value in own.values}
        assert {(key, value) for key, value in asked if isinstance(value, str)} <= shown, name


@pytest.mark.parametrize("config", list(points()))
def test_a_point_of_the_space_trains(few, config):
    torch.set_num_threads(1)
    (epoch,) = train(Training(config | {"epochs": 1}, few, seed=0, device="cpu", precision="fp32"))
    assert all(math.isfinite(value) for value in epoch.metrics.values())
    assert len(epoch.best.predicted) == 40
