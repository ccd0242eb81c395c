"""What a clock and notes say of a trial: pytest tests/trainables/trial/test_timing.py"""

import sys
from types import SimpleNamespace

import pytest
import torch

from trainables.config import complete
from trainables.files import durable
from trainables.training.definition import Training
from trainables.trial import checkpointing, timing

NET = """
from torch import nn


class Sized(nn.Module):
    def __init__(self, classes: int):
        super().__init__()
        self.layer = nn.Linear(3072, classes)

    def forward(self, images):
        return self.layer(images.flatten(1))
"""


def test_devices_and_repeated_epochs_are_read_back(tmp_path):
    timing.note(tmp_path, timing.epoch_line(1, 0.5, 100, "cuda:1"))
    timing.note_repeated(tmp_path, {"epoch": 1, "val_accuracy": 0.5})
    timing.note(tmp_path, timing.epoch_line(1, 0.0, 100, "cpu"))
    assert timing.devices(tmp_path) == ["cuda", "cpu"]
    assert timing.repeated(tmp_path) == {1}


def test_an_epoch_on_a_gpu_says_what_its_bits_depend_on(monkeypatch):
    """A part of a GPU (MIG, MPS) has fewer multiprocessors, and other bits."""

    def line(multiprocessors):
        fake = SimpleNamespace(
            is_initialized=lambda: True, current_device=lambda: 0,
            get_device_properties=lambda device: SimpleNamespace(name="GPU", multi_processor_count=multiprocessors),
        )  # fmt: skip
        monkeypatch.setattr(torch, "cuda", fake)
        return timing.epoch_line(1, 1.0, 100, "cuda")

    assert {"gpu": "GPU", "multiprocessors": 132}.items() <= line(132).items()
    assert line(132) != line(66)
    before = line(132)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    assert line(132) == before | {"cublas_workspace": ":4096:8"}
    assert "gpu" not in timing.epoch_line(1, 1.0, 100, "cpu")


@pytest.mark.parametrize("content", [None, b"", b"[1]\n", b"\0\0\n{}\n", b'{"again": 3, "seconds": 1}\n'])
def test_a_file_that_a_power_cut_spoilt_says_nothing(tmp_path, content):
    if content is not None:
        (tmp_path / "timing.jsonl").write_bytes(content)
    assert timing.devices(tmp_path) == []
    assert timing.repeated(tmp_path) == set()


def test_the_size_of_an_own_network_is_noted_before_its_first_row(toy, tmp_path, monkeypatch):
    """So a kill after the row, wherever it comes, leaves both."""
    (tmp_path / "sized.py").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "sized", raising=False)
    config = complete({"model": "sized.py:Sized", "epochs": 2, "batch_size": 50, "lr": 0.01})
    training = Training(config, toy, seed=0, device="cpu", precision="fp32")
    folder, known = tmp_path / "trial", []
    append = durable.append

    def seen(path, *given, **how):
        known.append((path.name, timing.cost(folder)))
        append(path, *given, **how)

    monkeypatch.setattr(durable, "append", seen)
    next(checkpointing.run(folder, training))
    parameters = 3072 * len(toy.classes) + len(toy.classes)
    assert dict(reversed(known))["epochs.jsonl"] == (parameters, 2 * 3072 * len(toy.classes))
