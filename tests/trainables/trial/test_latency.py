"""Latency: the median of a few passes after warm-up, for a small share of what training took."""

import math

import pytest
import torch
from torch import nn

from trainables.files import durable
from trainables.models.networks import build
from trainables.training.definition import Training
from trainables.trial import checkpointing, latency


@pytest.fixture
def passes(monkeypatch):
    """The seconds of each pass: the first are slow, as warming up is, and each ends the clock that much later."""
    now, slow = [0.0], iter([9.0, 8.0, 0.3, 0.1, 0.2, 0.1, 0.1, 0.5, 0.1, 0.1, 0.1, 0.1])
    taken = []

    def forward(model, image, scale, precision):
        assert image.shape == (1, 32, 32, 3)
        taken.append(next(slow))
        now[0] += taken[-1]
        return torch.zeros(1, 4)

    monkeypatch.setattr(latency, "predict_resident", forward)
    monkeypatch.setattr(latency.time, "perf_counter", lambda: now[0])
    return taken


def test_warming_up_does_not_count(passes, toy):
    assert latency.latency(nn.Identity(), toy, "cpu", "fp32", trained=math.inf) == pytest.approx(0.1)
    assert len(passes) == latency.WARM_UP + latency.PASSES


def test_a_short_trial_is_measured_briefly(passes, toy):
    assert latency.latency(nn.Identity(), toy, "cpu", "fp32", trained=1.0) == pytest.approx(0.3)
    assert len(passes) == latency.WARM_UP + 1


def test_no_random_number_is_drawn_and_no_weight_moves(toy, small):
    model = build(small, len(toy.classes))
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    before = torch.get_rng_state()
    assert latency.latency(model, toy, "cpu", "fp32", trained=1.0) > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(weights[name], weight) for name, weight in model.state_dict().items())


def test_a_finished_trial_keeps_it_where_clocks_may_be(tmp_path, toy, small):
    list(checkpointing.run(tmp_path, Training(small, toy, seed=0, device="cpu", precision="fp32")))
    lines = durable.read_lines(tmp_path / "timing.jsonl")
    assert ["latency_seconds" in line for line in lines] == [False] * small["epochs"] + [True]
    assert "latency" not in (tmp_path / "epochs.jsonl").read_text()
