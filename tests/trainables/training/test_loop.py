"""The epoch loop: pytest tests/trainables/training/test_loop.py"""

import copy
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from trainables.config import MODELS, OPTIMIZERS, complete
from trainables.training.definition import Training
from trainables.training.loop import Diverged, train
from trainables.training.step import batch_sizes

SMALL = {  # knobs that make a model train in milliseconds, where it has any
    "mlp": {"depth": 2, "width": 16},
    "convnet": {"depth": 2, "width": 16},
    "resnet18": {},
    "resnet": {"depth": 8, "width": 4},
    "speed_net": {"width": 4},
}
ROW = ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"]


pytestmark = pytest.mark.usefixtures("one_thread")


def rows(config, data, seed=0, precision="fp32", state=None):
    return [
        epoch.metrics
        for epoch in train(Training(config, data, seed=seed, device="cpu", precision=precision), state=state)
    ]


def test_it_yields_one_row_per_epoch_with_the_names_of_the_ledger(toy, small):
    found = rows(small, toy)
    assert [row["epoch"] for row in found] == [1, 2, 3, 4]
    assert all(list(row) == ROW for row in found)
    assert all(0 <= row["val_accuracy"] <= 1 and math.isfinite(row["train_loss"]) for row in found)


def test_it_learns_what_is_easy(toy, small):
    assert rows(small | {"augment": "none"}, toy)[-1]["val_accuracy"] > 0.9


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_seed_gives_the_same_rows_and_another_does_not(toy, small, precision):
    assert rows(small, toy, 7, precision) == rows(small, toy, 7, precision)
    assert rows(small, toy, 7, precision) != rows(small, toy, 8, precision)


def test_it_leaves_no_trace_of_random_numbers_drawn_elsewhere(toy, small):
    expected = rows(small, toy)
    torch.manual_seed(99)
    found = []
    for epoch in train(Training(small, toy, seed=0, device="cpu", precision="fp32")):
        found.append(epoch.metrics)
        torch.rand(3)
    assert found == expected


def assert_continues_bit_for_bit(config, toy, cuts):
    whole, states = [], {}
    for epoch in train(Training(config, toy, seed=3, device="cpu", precision="bf16")):
        whole.append(epoch.metrics)
        if epoch.metrics["epoch"] in cuts:
            states[epoch.metrics["epoch"]] = copy.deepcopy(epoch.state())
    assert (len(whole), set(states)) == (config["epochs"], set(cuts))
    for cut, state in states.items():
        assert rows(config, toy, 3, "bf16", state) == whole[cut:], cut


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", ["constant", "cosine", "onecycle"])
def test_any_epoch_continues_bit_for_bit_from_its_state(toy, small, optimizer, schedule):
    changed = {"optimizer": optimizer, "schedule": schedule, "augment": "cutmix"}
    assert_continues_bit_for_bit(complete(small | changed), toy, cuts=(1, 2, 3))


@pytest.mark.parametrize(
    "model", sorted(set(MODELS) - {"resnet18"})
)  # its matrices take Muon half a minute without bfloat16
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_model_continues_bit_for_bit_with_every_optimizer(toy, model, optimizer):
    config = {"model": model, "optimizer": optimizer, "lr": 0.01, "batch_size": 50, "epochs": 2}
    assert_continues_bit_for_bit(complete(config | SMALL[model]), toy, cuts=(1,))


@pytest.mark.parametrize("part", ["model", "optimizer"])
def test_leaving_out_a_part_of_the_state_shows(toy, small, part):
    """The control of the test above: it can fail."""
    epochs = list(zip(range(2), train(Training(small, toy, seed=3, device="cpu", precision="fp32")), strict=False))
    state = copy.deepcopy(epochs[-1][1].state())
    fresh = next(iter(train(Training(small, toy, seed=4, device="cpu", precision="fp32"))))
    state[part] = copy.deepcopy(fresh.state()[part])
    assert rows(small, toy, 3, state=state) != rows(small, toy, 3)[2:]


def test_the_best_epoch_before_a_cut_is_still_the_best_after_it(toy, small):
    config = small | {"augment": "none", "epochs": 6}
    trained = train(Training(config, toy, seed=0, device="cpu", precision="fp32"))
    epochs = [(epoch.best, copy.deepcopy(epoch.state())) for epoch in trained]
    earliest = max(epochs, key=lambda pair: pair[0].value)[0]
    assert earliest.epoch < 5, "the data set is too hard for this test"
    resumed = list(train(Training(config, toy, seed=0, device="cpu", precision="fp32"), state=epochs[4][1]))
    assert resumed[-1].best.epoch == epochs[5][0].epoch
    assert all(torch.equal(value, resumed[-1].best.weights[name]) for name, value in epochs[5][0].weights.items())


def test_a_loss_that_is_not_finite_ends_the_trial(toy, small):
    with pytest.raises(Diverged) as caught:
        rows(small | {"optimizer": "sgd", "lr": 1e12, "momentum": 0.0}, toy)
    assert caught.value.epoch == 1


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=pytest.mark.slow if name == "resnet18" else ()) for name in MODELS]
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_model_trains_in_both_precisions(toy, model, precision):
    config = complete({"model": model, "lr": 0.01, "batch_size": 50, "epochs": 1, **SMALL[model]})
    assert rows(config, toy, precision=precision)[0]["train_loss"] < 10


def test_the_first_layer_of_speed_net_is_a_function_of_the_training_images(toy):
    config = complete({"model": "speed_net", "width": 4, "batch_size": 50, "epochs": 1})
    filters = [
        next(train(Training(config, data, seed=seed, device="cpu", precision="fp32"))).model[0].filters
        for data, seed in ((toy, 0), (toy, 1), (replace(toy, train=toy.val), 0))
    ]
    assert filters[0].any()
    assert torch.equal(filters[0], filters[1])
    assert not torch.equal(filters[0], filters[2])


@pytest.mark.parametrize(("count", "expected"), [(41, [20, 21]), (40, [20, 20]), (42, [20, 20, 2]), (1, [1])])
def test_a_single_image_left_over_joins_the_batch_before_it(count, expected):
    assert batch_sizes(count, 20) == expected


GROWTH = """
import numpy as np, torch
from trainables.config import complete
from trainables.data.loading import Dataset, Split
from trainables.training.definition import Training
from trainables.training.loop import train
torch.set_num_threads(1)

def anonymous():
    return int(open("/proc/self/status").read().split("RssAnon:")[1].split()[0]) >> 10

images = np.zeros((256, 32, 32, 3), np.uint8)
split = Split(np.broadcast_to(images[:1], (26_000, 32, 32, 3)).reshape(-1, 32, 32, 3)[:26_000], np.zeros(26_000, np.int64))
data = Dataset("zeros", split, Split(images, np.zeros(256, np.int64)), ("a", "b"), (0.5,) * 3, (0.25,) * 3, "", {})
config = complete({"model": "mlp", "optimizer": "adamw", "lr": 1e-3, "schedule": "constant", "augment": "none", "epochs": 1})
seen = []
next(train(Training(config, data, seed=0, device="cpu", precision="fp32"),
           on_batch=lambda done, total: seen.append(anonymous()) if done in (20, 200) else None))
print(seen[1] - seen[0])
"""


@pytest.mark.slow
@pytest.mark.integration
def test_memory_does_not_grow_from_batch_to_batch():
    """Small tensors that lived through an epoch once kept every freed gradient from being used again: 5 MiB a batch."""
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 180  # MiB in 180 batches
