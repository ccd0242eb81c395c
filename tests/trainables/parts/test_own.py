"""Training with parts of a user's own: pytest tests/trainables/parts/test_own.py"""

import copy
import itertools
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trainables.config import complete, trial_id
from trainables.errors import SpaceError
from trainables.models import cost
from trainables.parts import named
from trainables.parts.family import LOSS, MODEL
from trainables.training.augmentations import Batch
from trainables.training.definition import Training
from trainables.training.loop import train
from trainables.training.losses import mixed_loss

FILE = "own_parts.py"
OWN = {
    "model": f"{FILE}:FlowerNet", "loss": f"{FILE}:Smooth", "optimizer": f"{FILE}:two_rates", "schedule": f"{FILE}:warm",
    "augment": f"{FILE}:noisy",
}  # fmt: skip
TRAINED = {"batch_size": 20, "epochs": 3}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def reached(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def rows(training, state=None):
    return [epoch.metrics for epoch in train(training, state=state)]


def training_of(toy, **given):
    return Training(complete({**TRAINED, **given}), toy, seed=3, device="cpu", precision="bf16")


def test_a_configuration_has_the_knobs_of_its_parts_and_no_others():
    config = complete({**OWN, "channels": 6, **TRAINED})
    assert {key: value for key, value in config.items() if key not in OWN} == {
        "batch_size": 20, "epochs": 3, "ema": 0.0, "image_size": 32, "channels": 6, "kernel": 3, "dropout": 0.2, "smoothing": 0.1,
        "lr": 0.05, "last_lr": 0.01, "first": 0.1, "amount": 4.0,
    }  # fmt: skip
    assert trial_id(config, 0) == trial_id(
        complete({**OWN, "model": f"./{FILE}:FlowerNet", "channels": 6.0, **TRAINED}), 0
    )


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"chanels": 3}, r"unknown hyperparameter 'chanels'. Did you mean 'channels'\?"),
        ({"channels": "many"}, "channels of own_parts.py:FlowerNet must be an integer, but got 'many'"),
        (
            {"momentum": 0.9},
            r"'momentum' is not read by own_parts.py:two_rates. Remove it, or choose another optimizer",
        ),
        (
            {"loss": f"{FILE}:focal", "dropout": 0.1},
            r"'dropout' is read by model and by loss. Write model.dropout or loss",
        ),
        (
            {"model": f"{FILE}:FlowrNet"},
            r"own_parts.py has no function or class 'FlowrNet'. Did you mean 'FlowerNet'\?",
        ),
        ({"model": "own_part.py:FlowerNet"}, "cannot import own_part.py:FlowerNet: .* has no own_part.py"),
        ({"model": "own_parts.FlowerNet"}, r"unknown model .* Your own: own_parts.py:FlowerNet"),
        ({"loss": "torchvision:resnet50"}, "is a model, not a part of kind loss"),
    ],
)
def test_a_mistake_is_one_line(given, what):
    with pytest.raises(SpaceError, match=what):
        complete({**OWN, **given})


def test_a_name_that_two_parts_have_is_written_with_its_part():
    config = complete({**OWN, "loss": f"{FILE}:focal", "model.dropout": 0.5})
    assert (config["model.dropout"], config["loss.dropout"], "dropout" in config) == (0.5, 0.0, False)
    assert complete({**OWN, "model.dropout": 0.5}) == complete({**OWN, "dropout": 0.5}), "one spelling where one has it"


def test_it_trains_repeats_and_leaves_all_random_states_alone(toy):
    training = training_of(toy, **OWN)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    expected = rows(training)
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
    random.seed(2), np.random.seed(2), torch.manual_seed(2)
    assert rows(training) == expected
    assert rows(replace(training, seed=4)) != expected


@pytest.mark.parametrize("cut", [1, 2])
def test_it_goes_on_bit_for_bit(toy, cut):
    training, whole, state = training_of(toy, **OWN), [], None
    for epoch in train(training):
        whole.append(epoch.metrics)
        if epoch.metrics["epoch"] == cut:
            state = copy.deepcopy(epoch.state())
    assert rows(training, state) == whole[cut:]


def test_trials_that_take_turns_do_not_meet(toy):
    trainings = [training_of(toy, **OWN), training_of(toy, **OWN, amount=9.0), training_of(toy, model="mlp", width=8)]
    alone = [rows(training) for training in trainings]
    together = [[] for _ in trainings]
    for epochs in itertools.zip_longest(*map(train, trainings)):
        for found, epoch in zip(together, epochs, strict=True):
            found.append(epoch.metrics)
    assert together == alone


def test_each_group_of_weights_follows_the_schedule_from_its_own_rate(toy):
    (*_, last) = train(training_of(toy, **OWN, lr=0.2, last_lr=0.1, first=1.0))
    first, second = (group["lr"].item() for group in last.optimizer.param_groups)
    assert first == pytest.approx(2 * second)
    assert last.metrics["lr"] == pytest.approx(0.2 * (2 / 3 + 1 / 3))


def test_a_loss_of_ones_own_gets_the_probabilities_of_mixed_labels():
    first, second, weight = torch.tensor([0, 1]), torch.tensor([1, 1]), torch.tensor([0.75, 0.5])
    loss = mixed_loss(complete({**OWN}), torch.ones(3))
    batch = Batch(torch.zeros(2, 3, 32, 32), first, second, weight)
    logits = torch.zeros(2, 3, requires_grad=True)
    plain = named.load(LOSS, f"{FILE}:Smooth")(0.1)(logits, torch.tensor([[0.75, 0.25, 0], [0, 1.0, 0]]))
    assert torch.equal(loss(logits, batch), plain)


@pytest.mark.parametrize("name", ["resnet18", "mlp", "convnet", "resnet", "speed_net"])
def test_the_meta_device_counts_what_the_formulas_say(name):
    from trainables.models.meta import measure

    config = complete({"model": name})
    assert measure(config, 7) == tuple(cost.of(config, 7))


def test_the_cost_of_an_own_network_needs_no_formula():
    config = complete({"model": f"{FILE}:FlowerNet", "channels": 5})
    assert cost.of(config, 10) == (5 * 28 + 80 * 10 + 10, 2 * (5 * 27 * 32 * 32) + 2 * 80 * 10)
    sized = complete({"model": f"{FILE}:sized"})
    assert cost.parameters(sized, 4) == 3072 * 4 + 4


@pytest.mark.slow
def test_a_network_of_torchvision_by_its_name(toy):
    config = complete({"model": "torchvision:resnet18", "epochs": 1, "batch_size": 50})
    assert "depth" not in config
    (row,) = rows(Training(config, toy, seed=0, device="cpu", precision="fp32"))
    assert row["train_loss"] > 0
    with pytest.raises(SpaceError, match=r"torchvision has no model 'resnet19'. Did you mean 'resnet18'\?"):
        cost.parameters(complete({"model": "torchvision:resnet19"}), 10)


@pytest.mark.slow
def test_a_network_of_timm_by_its_name(toy):
    pytest.importorskip("timm", reason="the extra `timm` is not installed")
    config = complete({"model": "timm:resnet10t", "epochs": 1, "batch_size": 50, "dropout": 0.2})
    (row,) = rows(Training(config, toy, seed=0, device="cpu", precision="fp32"))
    assert row["train_loss"] > 0
    with pytest.raises(SpaceError, match=r"timm has no model 'resnet10x'. Did you mean 'resnet10t'"):
        cost.parameters(complete({"model": "timm:resnet10x"}), 10)


def test_what_is_not_installed_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(SpaceError, match=r'timm is not installed: pip install "cifar-search\[timm\]"\.'):
        cost.parameters(complete({"model": "timm:convnext_tiny"}), 10)


def test_a_file_whose_name_another_module_has_is_imported_apart(tmp_path):
    (tmp_path / "spaces.py").write_text("def net(classes, width: int = 3): ...\n")
    part = named.load(MODEL, "spaces.py:net", tmp_path)
    assert part.__module__ == "parts_of_spaces"
    import spaces

    assert hasattr(spaces, "Space")
