"""Exports as ONNX, tried with onnxruntime: pytest tests/analysis/export/test_onnx_file.py (skipped without the extra `onnx`)"""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch

from analysis.export import model_card, network_source, onnx_file
from trainables.config import complete
from trainables.errors import RunError, UsageError
from trainables.models.networks import build

IS_THERE = all(map(importlib.util.find_spec, onnx_file.NEEDED))
NETWORKS = {  # ours and a user's
    "convnet": ({"model": "convnet", "width": 4, "depth": 2}, ""),
    "own": (
        {"model": "onnx_nets.py:Branching"},
        "def forward(self, images):\n        return self.layer(images.flatten(1)).relu()",
    ),
    "refused": (
        {"model": "onnx_nets.py:Branching"},
        "def forward(self, images):\n        return self.layer(images.flatten(1)) * (1 if images.sum() > 0 else 2)",
    ),
}
NET = """
from torch import nn


class Branching(nn.Module):
    def __init__(self, classes: int):
        super().__init__()
        self.layer = nn.Linear(3072, classes)

    FORWARD
"""


@pytest.fixture
def exported(request, tmp_path, monkeypatch):
    """An export without its program, and the network of it."""
    given, forward = NETWORKS[request.param]
    (tmp_path / "onnx_nets.py").write_text(NET.replace("FORWARD", forward))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "onnx_nets", raising=False)
    config, folder = complete(given), tmp_path / "net"
    folder.mkdir()
    weights = safetensors.torch.save({name: part.contiguous() for name, part in build(config, 3).state_dict().items()})
    (folder / "model.safetensors").write_bytes(weights)
    facts = {"config": config, "classes": ["a", "b", "c"], "mean": [0.5] * 3, "std": [0.2] * 3}
    (folder / "config.json").write_text(json.dumps(facts))
    for name, text in network_source.files(config).items():
        (folder / name).write_text(text)
    return folder, config, weights


@pytest.mark.integration
@pytest.mark.skipif(not IS_THERE, reason="the extra `onnx` is not installed")
@pytest.mark.parametrize("exported", ["convnet", "own"], indirect=True)
def test_onnxruntime_gives_the_same_numbers_and_the_lines_of_the_card_run(exported):
    folder, config, weights = exported
    (folder / "model.onnx").write_bytes(onnx_file.written(folder, config, 3, weights))
    blocked = "import sys\nsys.modules.update(dict.fromkeys(['torch', 'trainables']))\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", blocked + model_card.ONNX], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert np.fromstring(done.stdout.strip("[]\n "), sep=" ").shape == (3,)


@pytest.mark.integration
@pytest.mark.skipif(not IS_THERE, reason="the extra `onnx` is not installed")
@pytest.mark.parametrize("exported", ["refused"], indirect=True)
def test_a_network_of_which_torch_makes_none_is_said(exported):
    with pytest.raises(RunError, match="as ONNX"):
        onnx_file.written(*exported[:2], 3, exported[2])


def test_what_is_missing_is_one_line(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name.startswith("onnx") else find(name))
    with pytest.raises(
        UsageError, match=r'onnx, onnxscript, onnxruntime is not installed: pip install "cifar-search\[onnx\]"'
    ):
        onnx_file.check_installed()
