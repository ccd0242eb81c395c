"""What trials of one process share: pytest tests/trainables/training/test_shared.py"""

import gc
from dataclasses import replace

import pytest
import torch

from tests.trainables.training.test_loop import SMALL
from trainables.config import MODELS, complete
from trainables.hardware.precision import settle
from trainables.models.speed_net import Whitening
from trainables.training import shared as module
from trainables.training.definition import Training
from trainables.training.loop import on_host
from trainables.training.shared import shared, untrained


@pytest.mark.parametrize("model", MODELS)
def test_kept_weights_make_the_network_that_is_drawn(toy, model):
    """Values, places in memory, and what else there is; dropout is not drawn, so another one is no other network."""
    config = complete(SMALL[model] | {"model": model, "dropout": 0.1})
    data = replace(toy)
    first = Training(config, data, seed=1, device="cpu", precision="fp32")
    second = replace(first, config=config | {"dropout": 0.3})
    kept = shared(data, "cpu")
    kept.untrained(first)
    found, drawn = kept.untrained(second), untrained(second)
    assert len(kept._networks) == 1, "one is kept, whatever the dropout"
    assert str(found) == str(drawn)
    for one, other in zip(found.state_dict().values(), drawn.state_dict().values(), strict=True):
        assert torch.equal(one, other)
        assert one.stride() == other.stride()
    assert [each.requires_grad for each in found.parameters()] == [each.requires_grad for each in drawn.parameters()]
    other_seed = kept.untrained(replace(second, seed=2))
    pairs = zip(found.parameters(), other_seed.parameters(), strict=True)
    assert not all(torch.equal(one, other) for one, other in pairs)


def test_images_are_brought_to_a_device_once_and_go_with_their_data_set(toy, monkeypatch):
    brought, real = [], module.resident
    monkeypatch.setattr(module, "resident", lambda *arguments: brought.append(arguments) or real(*arguments))
    data = replace(toy)
    assert shared(data, "cpu") is shared(data, "cpu")
    assert len(brought) == 2, "train and val"
    key = (id(data), "cpu")
    assert key in module._made
    brought.clear()
    del data
    gc.collect()
    assert key not in module._made


def test_filters_are_computed_once(toy, monkeypatch):
    data, fits = replace(toy), []
    real = Whitening.fit
    monkeypatch.setattr(Whitening, "fit", lambda layer, images: fits.append(1) or real(layer, images))
    networks = [torch.nn.Sequential(Whitening()) for _ in range(2)]
    for network in networks:
        shared(data, "cpu").whiten(network)
    assert fits == [1]
    assert torch.equal(networks[0][0].filters, networks[1][0].filters)
    assert networks[0][0].filters.abs().sum() > 0


def test_weights_that_are_on_the_host_are_not_copied():
    weights = {"b": torch.ones(3), "a": torch.zeros(2, 2), "count": torch.tensor(4)}
    found = on_host(weights)
    assert list(found) == ["b", "a", "count"]
    assert all(found[name] is weights[name] for name in weights)


def test_float32_on_a_gpu_is_float32_in_products_and_convolutions():
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    settle("cuda")
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark
