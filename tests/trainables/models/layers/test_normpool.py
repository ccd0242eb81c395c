"""Normalising, pooling and LeakyReLU in one pass: pytest tests/trainables/models/layers/test_normpool.py

Held to what torch computes layer by layer, in float64 where two ways of summing may differ.
"""

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from analysis.export import network_source
from trainables.config import complete
from trainables.models.convnet import LEAK
from trainables.models.layers import kernels, normpool
from trainables.models.layers.normpool import NormPool
from trainables.models.networks import build

ROOT = Path(__file__).parents[4]


pytestmark = pytest.mark.usefixtures("one_thread")


def layer(channels: int, seed: int = 0) -> NormPool:
    """With weights of either sign, biases and running statistics that are not those of the start."""
    made, generator = NormPool(channels, LEAK), torch.Generator().manual_seed(seed)
    for tensor in (made.weight.data, made.bias.data, made.running_mean):
        tensor.copy_(torch.randn(channels, generator=generator))
    made.running_var.copy_(torch.rand(channels, generator=generator) + 0.5)
    return made


def textbook(made: NormPool) -> nn.Sequential:
    """The same as three layers of torch, in the order of a textbook."""
    norm = nn.BatchNorm2d(made.num_features)
    norm.load_state_dict(made.state_dict())
    return nn.Sequential(norm, nn.LeakyReLU(LEAK), nn.MaxPool2d(2)).train(made.training)


def pictures(shape: tuple[int, int, int, int], seed: int = 0, mean: float = 0.0) -> Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + mean
    return values.to(memory_format=torch.channels_last)


def gradients(module: nn.Module, images: Tensor, slopes: Tensor) -> list[Tensor]:
    """The result, and the gradients of the images and of all parameters, in float64."""
    leaf = images.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    result = module(leaf)
    result.backward(slopes.to(result.dtype))
    return [each.double() for each in (result.detach(), leaf.grad, *(p.grad for p in module.parameters()))]


SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 40), st.sampled_from([2, 4, 6]), st.sampled_from([2, 4, 32]))


@settings(max_examples=60, deadline=None, derandomize=True)  # of a near tie float32 and float64 may choose another
@given(shape=SHAPES, seed=st.integers(0, 99), mean=st.sampled_from([0.0, 3.0, -100.0]))
def test_results_and_gradients_are_those_of_three_layers(shape, seed, mean):
    images, made = pictures(shape, seed, mean), layer(shape[1], seed)
    slopes = pictures((shape[0], shape[1], shape[2] // 2, shape[3] // 2), seed + 1)
    assert made.fits(images)
    expected = gradients(textbook(made).double(), images.double(), slopes)
    for mine, theirs in zip(gradients(made, images, slopes), expected, strict=True):
        assert (mine - theirs).abs().max() <= 2e-4 * (1 + theirs.abs().max())


def test_a_batch_moves_the_running_statistics_as_torch_does():
    made = layer(5)
    three, images = textbook(made), pictures((4, 5, 8, 8), mean=2.0)
    for _ in range(3):
        made(images), three(images)
    for name, value in three[0].state_dict().items():
        torch.testing.assert_close(made.state_dict()[name], value, rtol=1e-6, atol=1e-6)
    assert made.num_batches_tracked == 3


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_evaluating_is_exact(precision):
    """float32 arithmetic on the images, one rounding at the end: bit for bit what torch makes of the same formula."""
    made, images = layer(24).eval(), pictures((3, 24, 8, 8)).to(precision)
    mean, scale, bias = (torch.from_numpy(each).float()[:, None, None] for each in made.running())
    expected = F.leaky_relu(F.max_pool2d((images.float() - mean) * scale + bias, 2), LEAK).to(precision)
    with torch.inference_mode():
        assert torch.equal(made(images), expected)
        torch.testing.assert_close(made(images), textbook(made)(images), rtol=0.02, atol=0.02)


def test_of_two_nearest_numbers_the_even_one_is_taken():
    values = torch.arange(128) / 128 + 1  # all of bfloat16 from one to two; what is added lies half way to the next
    images = values.bfloat16()[:, None, None, None].expand(128, 1, 2, 2).contiguous(memory_format=torch.channels_last)
    none, half = np.zeros(1), np.full(1, 1 / 256)
    found = normpool.pooled(images, none, none + 1, half, LEAK)[0]
    assert torch.equal(found.flatten(), (values + 1 / 256).bfloat16())


def test_gradients_through_a_network_that_only_predicts_are_there():
    images = pictures((2, 3, 4, 4)).requires_grad_()
    made = layer(3).eval()
    made(images).sum().backward()
    assert images.grad.abs().sum() > 0
    assert torch.equal(made(images), textbook(made)(images))


def test_in_bfloat16_the_error_is_no_larger_than_that_of_three_layers():
    made, images = layer(16), pictures((16, 16, 16, 16)).bfloat16()
    slopes = pictures((16, 16, 8, 8), 1).bfloat16()
    exact = gradients(textbook(made).double(), images.double(), slopes.double())
    theirs = gradients(textbook(made), images, slopes)
    for truth, mine, other in zip(exact, gradients(made, images, slopes), theirs, strict=True):
        assert (mine - truth).square().mean() <= 1.05 * (other - truth).square().mean()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [(0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)])
def test_what_is_not_finite_comes_out_where_it_does_with_torch(precision, training, value, place):
    made, images = layer(3).train(training), pictures((2, 3, 4, 4)).to(precision)
    images[place[0], 2, *place[1:]] = value
    with warnings.catch_warnings(action="error"), torch.set_grad_enabled(training):
        result = made(images)
        if training:
            result.sum().backward()
    expected = F.leaky_relu(F.max_pool2d(textbook(made)[0](images), 2), LEAK)
    assert torch.equal(result.isnan(), expected.isnan())
    assert torch.equal(result.isinf(), expected.isinf())


def test_statistics_that_overflowed_stay_infinite_as_with_torch():
    """An infinite variance evaluates to a bias, NaN would to NaN."""
    made = layer(2)
    theirs, usual = textbook(made), pictures((4, 2, 4, 4))
    for images in (usual * 1e20, usual):
        made(images), theirs(images)
    assert made.running_var.isinf().all()
    torch.testing.assert_close(made.state_dict(), theirs[0].state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(made.eval()(usual), theirs.eval()(usual))


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7F800001, 0x7FFFFFFF, -1])
def test_what_is_no_number_is_none_in_bfloat16_whatever_its_bits(bits):
    made = layer(1).eval()
    made.bias.data.copy_(torch.tensor([bits], dtype=torch.int32).view(torch.float32))
    with torch.inference_mode():
        assert made(pictures((1, 1, 4, 4)).bfloat16()).isnan().all()


def test_of_equal_values_the_first_has_the_gradient():
    made, images = NormPool(1, LEAK), torch.zeros(2, 1, 2, 2).to(memory_format=torch.channels_last)
    images[1] = 1.0
    place = normpool.pooled(images, *made.running(), LEAK)[2]
    assert place.flatten().tolist() == [
        kernels.NEGATIVE,
        0,
    ]  # LeakyReLU's slope at zero is the small one, as torch's is


def test_bits_do_not_depend_on_the_turn():
    images, slopes = pictures((4, 8, 8, 8)), pictures((4, 8, 4, 4), 1)
    once, again = (gradients(layer(8), images, slopes) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(once, again, strict=True))


@pytest.mark.parametrize(
    "images",
    [
        pictures((2, 3, 5, 4)),
        pictures((2, 3, 4, 7)),
        pictures((2, 3, 4, 4)).double(),
        torch.randn(2, 3, 4, 4),
    ],
)
def test_other_images_are_left_to_torch(images):
    made = layer(3).to(images.dtype)
    assert not made.fits(images)
    assert torch.equal(textbook(made).to(images.dtype)(images), made(images))


@pytest.mark.parametrize("training", [True, False])
def test_images_that_do_not_belong_here_are_torchs_to_refuse(training):
    made = layer(3).train(training)
    with torch.set_grad_enabled(training), pytest.raises((RuntimeError, ValueError)):
        made(pictures((2, 5, 4, 4)))
    with torch.inference_mode():
        assert made.eval()(pictures((0, 3, 4, 4))).shape == (0, 3, 2, 2)


@pytest.mark.parametrize(("precision", "near"), [("fp32", 1e-4), ("bf16", 0.02)])
def test_a_network_trains_as_one_of_torchs_layers_does(precision, near):
    config = complete({"model": "convnet", "depth": 4, "width": 8, "dropout": 0.0})
    mine = build(config, 3).to(memory_format=torch.channels_last)
    theirs = architecture_of("convnet")(config, 3).to(memory_format=torch.channels_last)
    theirs.load_state_dict(mine.state_dict())
    for loss, expected in zip(losses(mine, precision), losses(theirs, precision), strict=True):
        assert loss == pytest.approx(expected, rel=near)


def architecture_of(model: str) -> Callable[..., nn.Module]:
    """The network from layers of torch alone, as an export has it."""
    scope: dict[str, Any] = {}
    exec(network_source.source(model), scope)
    return scope["build"]


def losses(network: nn.Module, precision: str) -> list[float]:
    """Of six steps, and of one evaluation."""
    optimizer, found = torch.optim.AdamW(network.parameters(), lr=1e-3), []
    images, labels = pictures((32, 3, 32, 32)), torch.arange(32) % 3
    for _ in range(6):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = F.cross_entropy(network(images).float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        return [*found, F.cross_entropy(network.eval()(images).float(), labels).item()]


def test_another_device_is_left_to_torch():
    images = pictures((2, 3, 4, 4)).to("meta")
    made = layer(3).to("meta")
    assert not made.fits(images)
    assert made(images).shape == (2, 3, 2, 2)


def test_more_threads_are_left_to_torch():
    torch.set_num_threads(2)
    made, images = layer(3), pictures((2, 3, 4, 4))
    assert not made.fits(images)
    assert torch.equal(textbook(made)(images), made(images))


def test_a_slope_of_zero_strides_is_understood():
    """As the gradient of a mean has, which is one number spread over a picture."""
    made, images = layer(4), pictures((2, 4, 8, 8))
    expected = gradients(made, images, torch.ones(2, 4, 4, 4))
    made.zero_grad()
    spread = gradients(made, images, torch.ones(1, 1, 1, 1).expand(2, 4, 4, 4))
    assert all(torch.equal(*pair) for pair in zip(spread, expected, strict=True))


@pytest.mark.slow
def test_the_loops_are_loaded_only_where_they_are_used():
    code = "import sys, trainables.models.convnet; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_where_numba_does_not_compile_the_layer_is_that_of_torch(monkeypatch, dtype):
    """NUMBA_DISABLE_JIT set to look into something else, or versions that do not fit: no fault of a configuration."""
    import numba

    made, images = layer(6), pictures((4, 6, 8, 8)).to(dtype)
    normpool.compiles.cache_clear()
    try:
        monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
        assert not made.fits(images)
        made.train()(images).sum().backward()
        normpool.compiles.cache_clear()
        monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
        monkeypatch.setattr(kernels, "pool", refuse)
        assert not made.fits(images)
        made.train()(images).sum().backward()
    finally:
        normpool.compiles.cache_clear()


def refuse(*_: object) -> None:
    raise RuntimeError("LLVM ERROR: unknown target CPU")


def test_a_numba_that_does_not_load_leaves_the_layer_to_torch(monkeypatch):
    made, images = layer(6), pictures((4, 6, 8, 8))
    normpool.compiles.cache_clear()
    try:
        monkeypatch.setitem(sys.modules, "numba", None)
        assert not made.fits(images)
    finally:
        normpool.compiles.cache_clear()
    monkeypatch.undo()
    assert made.fits(images)
