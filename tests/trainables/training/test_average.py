"""Averaged weights: pytest tests/trainables/training/test_average.py"""

import copy
import math

import pytest
import safetensors.torch
import torch
from torch import nn

from trainables.config import complete, key_of, trial_id
from trainables.files import durable
from trainables.models.networks import build
from trainables.training.average import Average
from trainables.training.definition import Training
from trainables.training.loop import predict, train
from trainables.training.step import batch_sizes
from trainables.trial import checkpointing

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def disturbed(network, number):
    """The network after a step that changed everything about it."""
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data.add_(number if tensor.dtype == torch.int64 else torch.randn_like(tensor))


@pytest.mark.parametrize(("steps", "horizon"), [(12, 0.3), (5, 2.0), (3, 0.7), (1, 1.0)])
def test_it_is_the_exponential_average_of_the_weights_it_looks_at(network, steps, horizon):
    """Every five steps and at the end of an epoch, for the steps since; decay exp(-1 / (horizon * steps)) a step."""
    average = Average(network, horizon, steps)
    average.start()
    expected = {name: value.double() for name, value in network.state_dict().items()}
    every = min(5, steps)
    for _ in range(2):
        for number in range(1, steps + 1):
            disturbed(network, number)
            average.after(number)
            if number % every == 0 or number == steps:
                decay = math.exp(-((number % every) or every) / (horizon * steps))
                for name, value in network.state_dict().items():
                    expected[name] = decay * expected[name] + (1 - decay) * value.double()
                expected["1.num_batches_tracked"] = network.state_dict()["1.num_batches_tracked"].double()
    found = average.state_dict()
    assert all(torch.allclose(value.double(), expected[name], atol=1e-5) for name, value in found.items())
    assert not torch.allclose(found["0.weight"], network[0].weight)
    assert {value.dtype for value in found.values()} == {torch.float32, torch.int64}


def test_how_often_it_is_moved_does_not_change_how_long_it_remembers(network):
    """After an epoch of any length the share of what was there before is exp(-1 / horizon)."""
    for steps in (1, 4, 5, 23):
        average = Average(network, 0.5, steps)
        average.start()
        before = network[0].weight.detach().clone()
        with torch.no_grad():
            network[0].weight.add_(1)
        for number in range(1, steps + 1):
            average.after(number)
        moved = (average.model[0].weight - before).mean().item()
        assert 1 - moved == pytest.approx(math.exp(-2), abs=1e-5)


def config_of(small, ema, **changes):
    return complete(small | {"ema": ema, "augment": "cutmix", **changes})


def epochs_of(config, data, state=None, seed=3):
    return train(Training(config, data, seed=seed, device="cpu", precision="bf16"), state=state)


def rows(config, data, state=None, seed=3):
    return [epoch.metrics for epoch in epochs_of(config, data, state, seed)]


VALIDATED = ("val_loss", "val_accuracy")


def test_training_itself_does_not_change_and_the_first_epoch_is_the_same(toy, small):
    with_average, without = rows(config_of(small, 0.7), toy), rows(config_of(small, 0), toy)
    assert with_average[0] == without[0], "the average starts as a copy at its end"
    for mine, theirs in zip(with_average[1:], without[1:], strict=True):
        assert {key: value for key, value in mine.items() if key not in VALIDATED} == {
            key: value for key, value in theirs.items() if key not in VALIDATED
        }
        assert mine["val_loss"] != theirs["val_loss"]


def test_its_weights_are_those_of_an_average_over_every_step(toy, small):
    """By hand, from outside: the weights after each step."""
    config = config_of(small, 0.4, epochs=2)
    steps = len(batch_sizes(len(toy.train.labels), config["batch_size"]))
    training, seen = Training(config_of(small, 0, epochs=2), toy, seed=3, device="cpu", precision="bf16"), []
    network = next(train(training)).model
    expected = copy.deepcopy(network.state_dict())

    def watched(done, total):
        if len(seen) >= steps and (done % min(5, steps) == 0 or done == total):
            decay = math.exp(-((done % min(5, steps)) or min(5, steps)) / (0.4 * steps))
            for name, value in network.state_dict().items():
                expected[name] = decay * expected[name] + (1 - decay) * value
        seen.append(done)

    epochs = train(training, on_batch=watched)
    network = next(epochs).model
    next(epochs)
    *_, last = epochs_of(config, toy)
    assert last.average is not None
    for name, value in last.average.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, expected[name], atol=1e-6), name


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_any_epoch_continues_bit_for_bit(toy, small, optimizer, cut):
    config, whole, state = config_of(small, 0.7, optimizer=optimizer), [], None
    for epoch in epochs_of(config, toy):
        whole.append(epoch.metrics)
        if len(whole) == cut:
            state = copy.deepcopy(epoch.state())
    assert rows(config, toy, state) == whole[cut:]


@pytest.mark.parametrize("part", ["model", "optimizer", "average", "best", "epoch"])
def test_every_part_of_the_state_is_needed(toy, small, part):
    """The control of the test above: left out, or that of another trial, it shows."""
    config = config_of(small, 2.0)
    whole = list(epochs_of(config, toy))
    epochs = epochs_of(config, toy)
    next(epochs)
    epoch = next(epochs)
    state = copy.deepcopy(epoch.state())
    assert set(state) == {"epoch", "model", "optimizer", "best", "average"}
    other = next(epochs_of(config, toy, seed=4)).state()
    without = {key: value for key, value in state.items() if key != part}
    with pytest.raises(KeyError):
        list(epochs_of(config, toy, without))
    changed = {**state, part: copy.deepcopy(other[part])}
    changed["best"] = {**changed["best"], "val_accuracy": 2.0} if part == "best" else changed["best"]
    resumed = list(epochs_of(config, toy, changed))
    same = [one.metrics for one in resumed] == [one.metrics for one in whole[2:]]
    assert not (same and resumed[-1].best.epoch == whole[-1].best.epoch)


def test_off_it_is_in_no_state_and_no_name(toy, small):
    without = {key: value for key, value in small.items() if key != "ema"}
    assert key_of(complete(without | {"ema": 0})) == key_of(without)
    assert trial_id(complete(without), 0) == trial_id(without, 0) != trial_id(complete(without | {"ema": 0.5}), 0)
    assert rows(without, toy) == rows(complete(small), toy), "a configuration of an older run has no word for it"
    assert "average" not in next(epochs_of(complete(small), toy)).state()


def test_what_is_kept_of_a_trial_is_what_was_validated(tmp_path, toy, small):
    config = config_of(small, 1.5)
    found = list(checkpointing.run(tmp_path, Training(config, toy, seed=3, device="cpu", precision="fp32")))
    model = build(config, len(toy.classes))
    model.load_state_dict(safetensors.torch.load(durable.read_checked(tmp_path / "best.safetensors")))
    right = predict(model, toy.val.images, toy, "cpu", "fp32").argmax(1) == toy.val.labels
    best = max(found, key=lambda row: row["val_accuracy"])
    assert right.mean() == pytest.approx(best["val_accuracy"])
    epoch = durable.read_json(tmp_path / "best.json")["epoch"]
    assert epoch == best["epoch"]


def test_a_trial_left_in_the_middle_goes_on_to_the_same_files(tmp_path, toy, small, monkeypatch):
    monkeypatch.setattr(checkpointing, "SAVE_EVERY", 0.0)
    training = Training(config_of(small, 0.7), toy, seed=3, device="cpu", precision="fp32")
    list(checkpointing.run(tmp_path / "whole", training))
    for cut in (1, 2, 3):
        epochs = checkpointing.run(tmp_path / str(cut), training)
        for _ in range(cut):
            next(epochs)
        epochs.close()
        list(checkpointing.run(tmp_path / str(cut), training))
        for name in ("epochs.jsonl", "best.safetensors", "val.npz"):
            assert (tmp_path / str(cut) / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
