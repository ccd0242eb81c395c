"""A user's part that raises while it is trained: pytest tests/trainables/trial/test_own_parts.py"""

import errno
import sys

import pytest

from trainables.config import complete
from trainables.errors import StorageError
from trainables.files import durable
from trainables.training.definition import Training
from trainables.trial import checkpointing

NETS = f"""
from torch import nn


class Reading(nn.Linear):
    def __init__(self, classes: int):
        super().__init__(3072, classes)
        open("pretrained.bin")


class Writing(nn.Linear):
    def __init__(self, classes: int):
        raise OSError({errno.ENOSPC}, "no space")


class Stale(nn.Linear):
    def __init__(self, classes: int):
        raise OSError({errno.ESTALE}, "stale")


def nothing(classes: int):
    return None
"""


@pytest.fixture
def train(toy, tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text(NETS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "failing", raising=False)

    def of(name):
        config = complete({"model": f"failing.py:{name}", "epochs": 2, "batch_size": 50})
        training = Training(config, toy, seed=0, device="cpu", precision="fp32")
        list(checkpointing.run(tmp_path / "trial", training))
        return durable.read_lines(tmp_path / "trial/epochs.jsonl")[-1]

    return of


@pytest.mark.parametrize(
    ("name", "error"),
    [("Reading", "FileNotFoundError: "), ("nothing", "SpaceError: failing.py:nothing returns a NoneType, not an")],
)
def test_it_is_a_failure_of_its_configuration(train, name, error):
    found = train(name)
    assert found["outcome"] == "failed"
    assert found["error"].startswith(error)


def test_a_full_disk_is_none(train):
    with pytest.raises(StorageError, match="no space"):
        train("Writing")


def test_images_that_a_network_file_system_has_lost_are_none(train):
    with pytest.raises(StorageError, match="stale"):
        train("Stale")
