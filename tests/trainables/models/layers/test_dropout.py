"""Dropout with cheap random numbers: pytest tests/trainables/models/layers/test_dropout.py"""

import pytest
import torch

from trainables.models.layers.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_drops_the_asked_share_and_keeps_the_mean(p, dtype):
    torch.manual_seed(0)
    dropped = Dropout(p)(torch.ones(400, 501, dtype=dtype))
    assert (dropped == 0).float().mean() == pytest.approx(p, abs=0.005)
    assert dropped.float().mean() == pytest.approx(1, abs=0.03)
    assert dropped.dtype == dtype


def test_every_position_is_dropped_independently():
    torch.manual_seed(0)
    kept = torch.stack([Dropout(0.5)(torch.ones(64)) for _ in range(4000)]) > 0
    assert (kept.float().mean(0) - 0.5).abs().max() < 0.04
    assert (torch.corrcoef(kept.T.float()) - torch.eye(64)).abs().max() < 0.08


def test_gradients_flow_where_values_were_kept():
    values = torch.ones(1000, requires_grad=True)
    dropped = Dropout(0.3)(values)
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


def test_it_does_nothing_in_evaluation_and_at_probability_zero():
    values = torch.randn(5, 5)
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0)(values) is values


def test_it_follows_torchs_seed():
    def draw(seed):
        torch.manual_seed(seed)
        return Dropout(0.5)(torch.ones(100))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
