"""The optimizers and their start: pytest tests/trainables/training/test_optimizers.py"""

import copy
import subprocess
import sys

import pytest
import torch

from trainables.config import MODELS, complete
from trainables.models.networks import build
from trainables.optimizers.matrices import as_rows
from trainables.training.optimizers import base_rates, make_optimizer, plain_step, rate_table


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_the_plain_step_changes_the_weights_as_torch_does(name):
    ours = torch.nn.Linear(4, 3)
    theirs = copy.deepcopy(ours)
    config = complete({"optimizer": name, "lr": 0.1})
    inputs = torch.randn(8, 4)
    first, second = make_optimizer(config, ours), make_optimizer(config, theirs)
    step = plain_step(first)
    for _ in range(3):
        for model, update in ((ours, step), (theirs, second.step)):
            model.zero_grad()
            model(inputs).square().sum().backward()
            update()
    assert torch.equal(ours.weight, theirs.weight)
    assert not torch.equal(ours.weight, copy.deepcopy(torch.nn.Linear(4, 3)).weight)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sgd", "muon"])
def test_training_does_not_import_the_compiler_of_torch(name):
    code = (
        "import sys, torch; from trainables.config import complete; from trainables.training.optimizers import *\n"
        "model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))\n"
        f"optimizer = make_optimizer(complete({{'optimizer': {name!r}}}), model)\n"
        "model(torch.ones(1, 2)).sum().backward(); plain_step(optimizer)(); optimizer.zero_grad()\n"
        "optimizer.load_state_dict(optimizer.state_dict())\n"
        "print('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build(complete({"model": "convnet", "depth": 2, "width": 4}), classes=3).to(
        memory_format=torch.channels_last
    )


def step_once(config, model):
    optimizer = make_optimizer(config, model)
    model(torch.randn(8, 3, 32, 32)).square().sum().backward()
    plain_step(optimizer)()
    return optimizer


@pytest.mark.parametrize("model", MODELS)
def test_muon_takes_all_matrices_but_the_classifier(model):
    network = build(complete({"model": model}), classes=10).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(complete({"model": model, "optimizer": "muon"}), network)
    matrices, others = (group["params"] for group in optimizer.param_groups)
    expected = [layer.weight for layer in network.modules() if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear))][
        :-1
    ]
    assert sorted(weight.data_ptr() for weight in matrices) == sorted(weight.data_ptr() for weight in expected)
    assert [weight.shape[0] for weight in others if weight.ndim > 1] == [10]
    assert sum(weight.numel() for weight in [*matrices, *others]) == sum(w.numel() for w in network.parameters())


def test_muon_steps_as_torch_does_on_the_same_matrix(network):
    weight = network[4].weight
    before, config = as_rows(weight.detach()).clone(), complete({"model": "convnet", "optimizer": "muon", "lr": 0.02})
    step_once(config, network)
    alone = torch.nn.Parameter(before.clone())
    alone.grad = as_rows(weight.grad).clone()
    torch.optim.Muon([alone], 0.02, config["weight_decay"], config["momentum"]).step()
    assert torch.allclose(as_rows(weight.detach()), alone, rtol=1e-5, atol=1e-7), "a rate of 32 bits"
    assert not torch.allclose(alone, before, rtol=1e-2, atol=1e-4)


def test_every_weight_moves_under_muon_and_no_gradient_is_left(network):
    before = copy.deepcopy(network.state_dict())
    optimizer = step_once(complete({"model": "convnet", "optimizer": "muon"}), network)
    assert not any(torch.equal(weight, before[name]) for name, weight in network.named_parameters())
    optimizer.zero_grad()
    assert all(weight.grad is None for group in optimizer.param_groups for weight in group["params"])
    assert all(weight.grad is None for weight in network.parameters())


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_muon_and_adamw_follow_the_schedule_each_from_its_own_rate(network, schedule):
    config = complete({"model": "convnet", "optimizer": "muon", "lr": 0.02, "adamw_lr": 0.004, "schedule": schedule})
    optimizer = make_optimizer(config, network)
    table = rate_table(config, base_rates(optimizer), config["epochs"] // 2 + 1, 5)
    assert len(table) == 5
    assert len(table[0]) == len(optimizer.param_groups)
    share = 1 if schedule == "constant" else 0.5
    assert table[0].tolist() == pytest.approx([0.02 * share, 0.004 * share])
    assert (table[4] < table[0]).all() == (schedule == "cosine")


@pytest.mark.parametrize("part", ["muon", "adamw"])
def test_the_state_holds_both_optimizers(network, part):
    optimizer = step_once(complete({"model": "convnet", "optimizer": "muon"}), network)
    assert optimizer.state_dict()[part]["state"]
    fresh = make_optimizer(complete({"model": "convnet", "optimizer": "muon"}), copy.deepcopy(network))
    fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert str(fresh.state_dict()) == str(optimizer.state_dict())
