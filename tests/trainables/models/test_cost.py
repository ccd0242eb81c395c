"""The cost of networks, held to torch's own count: pytest tests/trainables/models/test_cost.py"""

import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from trainables.config import MODELS, complete
from trainables.models import cost
from trainables.models.networks import build

NETWORKS = [
    {"model": "mlp"},
    {"model": "mlp", "depth": 1, "width": 8},
    {"model": "mlp", "depth": 5, "width": 64},
    {"model": "convnet"},
    {"model": "convnet", "depth": 1, "width": 3},
    {"model": "convnet", "depth": 6, "width": 8},
    {"model": "resnet18"},
    {"model": "resnet"},
    {"model": "resnet", "depth": 8, "width": 5},
    {"model": "resnet", "depth": 44, "width": 4},
    {"model": "speed_net"},
    {"model": "speed_net", "width": 5},
    *({"model": model, "image_size": size} for size in (16, 45, 64, 65, 100) for model in MODELS),
]


def test_every_model_is_counted():
    assert {network["model"] for network in NETWORKS} == set(MODELS)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize("classes", [2, 10])
def test_parameters_are_those_of_the_network(network, classes):
    config = complete(network)
    found = sum(weight.numel() for weight in build(config, classes).parameters() if weight.requires_grad)
    assert cost.parameters(config, classes) == found


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_flops_are_those_that_torch_counts(network):
    config = complete(network)
    model = build(config, classes=7).eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        model(torch.zeros(1, 3, config["image_size"], config["image_size"]))
    assert cost.flops(config, classes=7) == counter.get_total_flops()


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_the_resnets_are_as_large_as_in_the_paper(depth, millions):
    """Table 6 of He et al. 2016."""
    found = cost.parameters(complete({"model": "resnet", "depth": depth}), classes=10)
    assert found / 1e6 == pytest.approx(millions, abs=0.031 if depth == 110 else 0.005)


def test_the_count_needs_no_torch():
    code = (
        "import sys; from trainables import config; from trainables.models import cost\n"
        "cost.parameters(config.complete({}), 10); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
