"""The networks: pytest tests/trainables/models/test_networks.py"""

import copy

import pytest
import torch

from trainables.config import MODELS, complete
from trainables.models.convnet import LEAK
from trainables.models.layers.normpool import NormPool
from trainables.models.networks import build
from trainables.models.resnet import ResidualBlock
from trainables.models.speed_net import Whitening


@pytest.mark.parametrize("size", [16, 32, 45, 64, 65, 100])
@pytest.mark.parametrize("model", MODELS)
def test_every_model_turns_images_of_any_size_into_logits(model, size):
    network = build(complete({"model": model, "image_size": size}), classes=7)
    assert network(torch.randn(2, 3, size, size)).shape == (2, 7)


@pytest.mark.parametrize("model", ["mlp", "convnet"])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_depth_counts_the_hidden_blocks(model, depth):
    network = build(complete({"model": model, "depth": depth, "width": 16}), classes=3)
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    assert len(norms) == depth


def test_the_convnet_computes_what_the_layers_of_a_textbook_would():
    """Bit for bit, through steps of training, where the layers that are one are left to torch (see test_normpool.py)."""
    network = build(complete({"model": "convnet", "depth": 4, "width": 4, "dropout": 0.0}), classes=3)
    layers = list(copy.deepcopy(network))
    for place in [i for i, layer in enumerate(layers) if isinstance(layer, NormPool)]:
        norm = torch.nn.BatchNorm2d(layers[place].num_features)
        layers[place : place + 3] = norm, torch.nn.LeakyReLU(LEAK), torch.nn.MaxPool2d(2)
    textbook = torch.nn.Sequential(*layers)
    assert textbook.state_dict().keys() == network.state_dict().keys()
    trained = [trained_weights(each) for each in (network, textbook)]
    assert all(torch.equal(*pair) for pair in zip(*trained, strict=True))


@pytest.mark.parametrize("model", ["convnet", "resnet"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_average_is_the_one_that_adapts(model, precision):
    """Of whatever size the last pictures are; the order of a sum may differ, and so its last bit."""
    for depth in {"convnet": (1, 2, 3, 4, 5), "resnet": (8,)}[model]:
        network = build(complete({"model": model, "depth": depth, "width": 4, "dropout": 0.0}), classes=3)
        network = network.to(memory_format=torch.channels_last)
        adaptive = copy.deepcopy(network)
        adaptive[[type(layer).__name__ for layer in network].index("AvgPool2d")] = torch.nn.AdaptiveAvgPool2d(1)
        images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(depth))
        gradients = []
        for each in (network, adaptive):
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                logits = each(images)
            logits.float().square().sum().backward()
            gradients.append([logits.float(), *(weight.grad for weight in each.parameters())])
        torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


def trained_weights(network):
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(5):
        images, labels = torch.randn(16, 3, 32, 32, generator=generator), torch.arange(16) % 3
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    return list(network.parameters())


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


def convolutions(network):
    return [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]


@pytest.mark.parametrize("depth", [8, 20, 56])
def test_the_depth_of_a_resnet_counts_its_weighted_layers(depth):
    network = build(complete({"model": "resnet", "depth": depth, "width": 2}), classes=3)
    assert len(convolutions(network)) + 1 == depth


def test_the_stages_of_a_resnet_double_the_channels_and_halve_the_image():
    network = build(complete({"model": "resnet", "depth": 8, "width": 4}), classes=3)
    assert [layer.out_channels for layer in convolutions(network)] == [4, 4, 4, 8, 8, 16, 16]
    assert network[:-4](torch.randn(2, 3, 32, 32)).shape == (2, 16, 8, 8)


def test_a_residual_block_without_weights_passes_every_second_pixel_and_zeros():
    block = ResidualBlock(2, 4).eval()
    torch.nn.init.zeros_(block.second[0].weight)
    images = torch.rand(1, 2, 6, 6)
    found = block(images)
    assert torch.equal(found[:, :2], images[:, :, ::2, ::2])
    assert not found[:, 2:].any()


def test_whitened_patches_are_uncorrelated_with_equal_variance():
    images = (
        torch.nn.functional.avg_pool2d(torch.randn(40, 3, 34, 34), 3, 1) * torch.tensor([3.0, 2.0, 1.0])[:, None, None]
    )
    layer = Whitening()
    layer.fit(images)
    found = layer(images)[:, : Whitening.AXES].transpose(0, 1).flatten(1)
    assert torch.allclose(torch.cov(found), torch.eye(Whitening.AXES), atol=0.05)
    assert torch.equal(layer.filters[: Whitening.AXES], -layer.filters[Whitening.AXES :])


def test_the_whitening_is_saved_with_the_weights_but_not_trained():
    network = build(complete({"model": "speed_net", "width": 4}), classes=3)
    assert "0.filters" in network.state_dict()
    assert "0.filters" not in dict(network.named_parameters())


def test_the_convolutions_of_speed_net_start_as_the_identity():
    network = build(complete({"model": "speed_net", "width": 4}), classes=3)
    second = convolutions(network)[1]
    images = torch.rand(1, 4, 8, 8)
    assert torch.equal(second(images), images)
