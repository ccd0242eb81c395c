"""The networks: pytest tests/trainables/test_models.py"""

import pytest
import torch

from trainables.config import MODELS, complete
from trainables.models import build


@pytest.mark.parametrize("model", MODELS)
def test_every_model_turns_images_into_logits(model):
    network = build(complete({"model": model}), classes=7)
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize("model", ["mlp", "convnet"])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_depth_counts_the_hidden_blocks(model, depth):
    network = build(complete({"model": model, "depth": depth, "width": 16}), classes=3)
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    assert len(norms) == depth


def test_the_width_of_the_mlp_halves_from_layer_to_layer():
    network = build(complete({"model": "mlp", "depth": 3, "width": 64}), classes=3)
    assert [layer.out_features for layer in network if isinstance(layer, torch.nn.Linear)] == [64, 32, 16, 3]


def test_the_resnet_keeps_small_images_large():
    """The stem of ImageNet would leave one pixel of 32; ours leaves four by four before the average."""
    network = build(complete({"model": "resnet18"}), classes=3)
    sizes = []
    network.layer4.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-2:]))
    network(torch.randn(1, 3, 32, 32).expand(2, -1, -1, -1))
    assert sizes == [(4, 4)]


def test_the_mlp_sees_every_pixel_whatever_the_memory_format():
    network = build(complete({"model": "mlp"}), classes=3).eval()
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(network(images), network(images.contiguous(memory_format=torch.channels_last)))
