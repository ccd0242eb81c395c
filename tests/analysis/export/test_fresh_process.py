"""Exports of networks of a user's own, tried where nothing of ours can be imported."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from analysis.export import fresh_process, network_source
from trainables.config import complete
from trainables.errors import RunError
from trainables.models.networks import build

NETS = '''
"""My own network and its search."""
from typing import Annotated

import torch
from torch import nn

import blocks_of_mine
from spaces import Space, between, choice

SPACE = Space(params={"model": "mlp", "lr": choice(0.1, 0.2)}, baseline={"lr": 0.1}, epochs=1)


class FlowerNet(nn.Module):
    def __init__(self, classes: int, channels: Annotated[int, between(1, 64)] = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(blocks_of_mine.block(channels), nn.Flatten(), nn.Linear(4 * channels, classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)


class Branching(FlowerNet):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images) if images.sum() > 0 else -self.layers(images)

'''
BLOCKS = """
from torch import nn


def block(channels):
    return nn.Sequential(nn.Conv2d(3, channels, 3), nn.AdaptiveAvgPool2d(2))
"""
Write = Callable[[str], tuple[Path, dict, bytes]]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes an export of an untrained network of a name; returns the folder, the configuration and the weights."""
    source = tmp_path / "mine"
    source.mkdir()
    (source / "nets_of_mine.py").write_text(NETS)
    (source / "blocks_of_mine.py").write_text(BLOCKS)
    monkeypatch.syspath_prepend(str(source))
    for name in ("nets_of_mine", "blocks_of_mine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()

    def written(model: str) -> tuple[Path, dict, bytes]:
        config = complete({"model": model, **({"width": 8, "depth": 1} if model == "mlp" else {})})
        folder = tmp_path / "net"
        folder.mkdir()
        weights = safetensors.torch.save(
            {name: each.contiguous() for name, each in build(config, 3).state_dict().items()}
        )
        (folder / "model.safetensors").write_bytes(weights)
        (folder / "config.json").write_text(json.dumps({"config": config, "classes": ["a", "b", "c"]}))
        for name, text in network_source.files(config).items():
            (folder / name).write_text(text)
        return folder, config, weights

    return written


@pytest.mark.integration
@pytest.mark.parametrize("model", [pytest.param("mlp", marks=pytest.mark.slow), "nets_of_mine.py:FlowerNet"])
def test_it_loads_with_torch_and_safetensors_alone_and_as_a_program(write: Write, model: str, tmp_path: Path) -> None:
    folder, config, weights = write(model)
    found = fresh_process.tried(folder, config, 3, weights)
    assert found.refused == "" and found.program
    (tmp_path / "program.pt2").write_bytes(found.program)
    program = torch.export.load(tmp_path / "program.pt2").module()
    assert program(torch.zeros(5, 3, 32, 32)).shape == (5, 3)


@pytest.mark.integration
@pytest.mark.slow
def test_a_network_of_which_torch_makes_no_program_says_so_and_loads(write: Write) -> None:
    folder, config, weights = write("nets_of_mine.py:Branching")
    found = fresh_process.tried(folder, config, 3, weights)
    assert found.program is None
    assert found.refused


def test_a_network_in_a_package_takes_along_what_the_package_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "flowers_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("from .nets import Net\n")
    (package / "layers.py").write_text("from torch import nn\n")
    (package / "nets.py").write_text(
        "from . import layers\n\n\nclass Net(layers.nn.Linear):\n    def __init__(self, classes: int):\n"
        "        super().__init__(3072, classes)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    found = network_source.files(complete({"model": "flowers_of_mine.nets:Net"}))
    assert set(found) == {"model.py", *(f"flowers_of_mine/{name}.py" for name in ("__init__", "layers", "nets"))}
    for name, text in found.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text(text)
    code = "from model import build; print(build({}, 3).out_features)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "out", capture_output=True, text=True)
    assert done.stdout == "3\n", done.stderr


def test_the_source_has_neither_the_space_nor_its_import(write: Write) -> None:
    folder = write("nets_of_mine.py:FlowerNet")[0]
    text = (folder / "model.py").read_text()
    assert "SPACE" not in text and "spaces" not in text and "between" not in text
    assert "channels: int = 4" in text
    assert (folder / "blocks_of_mine.py").read_text() == BLOCKS
    assert text.endswith(
        'def build(config, classes):\n    return NETWORK(classes=classes, channels=config["channels"])\n'
    )


@pytest.mark.integration
def test_what_does_not_load_elsewhere_is_no_success(write: Write) -> None:
    folder, config, weights = write("mlp")
    (folder / "model.py").write_text("import trainables.models.mlp\n" + (folder / "model.py").read_text())
    with pytest.raises(RunError, match=r"does not load: .*trainables"):
        fresh_process.tried(folder, config, 3, weights)


@pytest.mark.integration
@pytest.mark.slow
def test_other_numbers_elsewhere_are_no_success(write: Write) -> None:
    folder, config, weights = write("mlp")
    text = (folder / "model.py").read_text()
    assert "LeakyReLU(LEAK)" in text
    (folder / "model.py").write_text(text.replace("nn.LeakyReLU(LEAK)", "nn.Tanh()"))
    with pytest.raises(RunError, match="its logits differ by"):
        fresh_process.tried(folder, config, 3, weights)
