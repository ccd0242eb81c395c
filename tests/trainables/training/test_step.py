"""The step that could be captured: pytest tests/trainables/training/test_step.py"""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.trainables.training.test_loop import SMALL
from trainables.config import AUGMENTATIONS, MODELS, OPTIMIZERS, SCHEDULES, complete
from trainables.training import step as step_module
from trainables.training.augmentations import augment
from trainables.training.definition import Training
from trainables.training.loop import train
from trainables.training.losses import mixed_hits, mixed_loss
from trainables.training.optimizers import make_optimizer
from trainables.training.shared import pixel_scale, resident, untrained
from trainables.training.step import Step, autocast

READS = {"_local_scalar_dense", "nonzero", "equal", "is_nonzero", "masked_select"}  # what waits for a device

pytestmark = pytest.mark.usefixtures("one_thread")


class Recorder(TorchDispatchMode):
    """Writes down each operation: its name, its numbers, and the shapes and devices of its tensors."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        is_kernel = func._schema.name.startswith("aten::_fused_") and isinstance(args[0][0], FakeTensor)
        result = (
            None if is_kernel else func(*args, **(kwargs or {}))
        )  # of these torch knows no shape, and they return nothing
        if func.namespace != "profiler":
            self.operations.append((func, [described(leaf) for leaf in tree_leaves((args, kwargs or {}))]))
        name = func._schema.name.removeprefix("aten::")
        assert name not in READS, f"{name} waits for the device"
        devices = {leaf.device.type for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)}
        assert len(devices) < 2, f"{name} moves from device to device"
        return result


def described(leaf):
    if isinstance(leaf, torch.Tensor):
        return tuple(leaf.shape), leaf.dtype, leaf.device.type
    return "generator" if isinstance(leaf, torch.Generator) else repr(leaf)


def made(training):
    """A step that has begun its first epoch."""
    model, data = untrained(training), training.data
    train_set, scale = resident(data.train, "cpu"), pixel_scale(data, "cpu")
    step = Step(training, model, make_optimizer(training.config, model), train_set, scale)
    step.begin(1)
    return step


def recorded(step, count):
    """What each of the next steps does."""
    found = []
    for size in step.sizes[:count]:
        with Recorder() as recorder:
            step(size)
        found.append(recorder.operations)
    return found


CASES = [
    *({"model": model, "optimizer": optimizer} for model, optimizer in itertools.product(MODELS, OPTIMIZERS)),
    *({"model": "mlp", "augment": name, "label_smoothing": 0.1} for name in AUGMENTATIONS),
    *({"model": "mlp", "schedule": name, "optimizer": "sgd", "momentum": 0.0} for name in SCHEDULES),
]


def config_of(case):
    return complete({"lr": 0.01, "batch_size": 20, "epochs": 2, "dropout": 0.2, **SMALL[case["model"]], **case})


@pytest.mark.parametrize("case", [case for case in CASES if case["model"] != "resnet18"], ids=str)
def test_every_step_does_the_same_with_the_same_numbers_and_reads_nothing_back(toy, case):
    """What changes from step to step (images, rates, random numbers) is on the device. The first makes the optimizer's state."""
    training = Training(config_of(case), toy, seed=0, device="cpu", precision="bf16")
    first, second, third, fourth = recorded(made(training), 4)
    assert second == third == fourth
    assert len(first) >= len(second)


def on_fake_gpu(training, monkeypatch):
    """A step whose tensors say that they are on a GPU and have no numbers; to be called in FakeTensorMode.

    Without a GPU torch's engine does not go back through them, so gradients come from nowhere.
    """
    monkeypatch.setattr(step_module, "Generator", lambda device: torch.Generator())
    monkeypatch.setattr(torch.Tensor, "backward", lambda loss: None)
    monkeypatch.setattr(torch.optim.Optimizer, "zero_grad", with_gradients)
    data, model = training.data, untrained(replace(training, device="cpu"))
    with FakeTensorMode():
        for module in model.modules():
            for name, value in module._parameters.items():
                module._parameters[name] = None if value is None else nn.Parameter(there(value))
            for name, value in module._buffers.items():
                module._buffers[name] = there(value)
        images = torch.empty(data.train.images.shape, dtype=torch.uint8, device="cuda")
        train_set = images, torch.empty(len(images), dtype=torch.int64, device="cuda")
        step = Step(training, model, make_optimizer(training.config, model), train_set, pixel_scale(data, "cuda"))
        step.begin(1)
    return step


def there(value):
    """Such a tensor of the same shape and layout."""
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cuda")


def with_gradients(optimizer, set_to_none=True):
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.grad = torch.empty_like(weight)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_on_a_gpu_nothing_is_read_back_and_nothing_moves(toy, case, monkeypatch):
    training = Training(config_of(case), toy, seed=0, device="cuda", precision="fp32")
    step = on_fake_gpu(training, monkeypatch)
    with step.number.fake_mode:
        _, second, third = recorded(step, 3)
    assert second == third
    devices = {leaf[2] for _, leaves in second for leaf in leaves if isinstance(leaf, tuple)}
    assert devices == {"cuda"}


@pytest.mark.parametrize("number", ["rate", "count"])
def test_a_number_of_pythons_that_changes_shows(toy, small, number, monkeypatch):
    """The control of the two tests above: they can fail."""
    step = made(Training(small | {"schedule": "cosine"}, toy, seed=0, device="cpu", precision="fp32"))
    update, seen = step.update, []

    def with_number():
        seen.append(None)
        step.optimizer.param_groups[0]["lr"] = 0.1 / len(seen) if number == "rate" else step.rates[0, 0]
        step.totals.add_(len(seen) if number == "count" else 0)
        update()

    step.update = with_number
    second, third = recorded(step, 3)[1:]
    assert second != third


def test_reading_a_number_back_shows(toy, small):
    step = made(Training(small, toy, seed=0, device="cpu", precision="fp32"))
    update = step.update
    step.update = lambda: (step.rates[0, 0].item(), update())
    with pytest.raises(AssertionError, match="_local_scalar_dense waits"):
        recorded(step, 1)


def plainly(training):
    """Loss and hits of an epoch as a plain loop has them: batches from a list, rates as numbers, torch's own random state."""
    config, data = training.config, training.data
    model, (images, labels), scale = untrained(training), resident(data.train, "cpu"), pixel_scale(data, "cpu")
    optimizer = make_optimizer(config, model)
    step = Step(training, model, optimizer, (images, labels), scale)  # for the seeds alone
    step.begin(1)
    torch.set_rng_state(step.dropout.get_state())
    for module in model.modules():
        if hasattr(module, "generator"):
            module.generator = None
    loss_sum = hits = 0.0
    for number, chosen in enumerate(step.order.split(step.sizes)):
        for place, group in enumerate(optimizer.param_groups):
            group["lr"] = step.table[number, place].item()
        batch = augment(config, images[chosen], labels[chosen], *scale, step.images)
        with autocast(images.device, training.precision):
            logits = model(batch.images)
        loss = mixed_loss(config, torch.ones(10))(logits.float(), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(chosen)
        hits += mixed_hits(logits.detach(), batch).item()
    return model, (loss_sum / len(labels), hits / len(labels))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("augmentation", ["standard", "cutmix"])
def test_it_trains_as_a_plain_loop_does(toy, small, optimizer, augmentation):
    config = complete(small | {"optimizer": optimizer, "augment": augmentation, "schedule": "onecycle"})
    training = Training(config, toy, seed=5, device="cpu", precision="fp32")
    model, expected = plainly(training)
    step = made(training)
    for size in step.sizes:
        step(size)
    assert step.means().tolist() == pytest.approx(expected, rel=1e-6)
    assert all(map(torch.allclose, step.model.state_dict().values(), model.state_dict().values()))


CONFIGS = [
    {
        "model": "mlp",
        "optimizer": "adamw",
        "width": 32,
        "depth": 2,
        "dropout": 0.3,
        "augment": "cutmix",
        "epochs": 2,
        "ema": 0.5,
    },
    {
        "model": "convnet",
        "optimizer": "sgd",
        "width": 8,
        "depth": 2,
        "dropout": 0.1,
        "augment": "standard",
        "epochs": 3,
    },
    {"model": "mlp", "optimizer": "muon", "width": 16, "depth": 1, "dropout": 0.5, "augment": "mixup", "epochs": 3},
]


def test_trials_that_take_turns_in_one_process_have_the_rows_they_have_alone(toy):
    """Not a step of one may touch what another draws; here they change places after every epoch and within it."""
    trainings = [
        Training(complete({"batch_size": 20, "lr": 0.01, **config}), toy, seed=seed, device="cpu", precision="bf16")
        for seed, config in enumerate(CONFIGS)
    ]
    alone = [[epoch.metrics for epoch in train(training)] for training in trainings]
    running, together = [train(training) for training in trainings], [[] for _ in trainings]
    for epochs in itertools.zip_longest(*running):
        for rows, epoch in zip(together, epochs, strict=True):
            if epoch:
                rows.append(epoch.metrics)
    assert together == alone
    steps = [made(training) for training in trainings]
    for sizes in zip(*(step.sizes for step in steps), strict=True):
        for step, size in zip(steps, sizes, strict=True):
            step(size)
    assert [step.means().tolist() for step in steps] == [
        [rows[0]["train_loss"], rows[0]["train_accuracy"]] for rows in alone
    ], "step by step in turn"


def test_training_leaves_torchs_random_state_alone_and_does_not_follow_it(toy, small):
    training = Training(small, toy, seed=0, device="cpu", precision="fp32")
    torch.manual_seed(1)
    before = torch.get_rng_state()
    expected = [epoch.metrics for epoch in train(training)]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert [epoch.metrics for epoch in train(training)] == expected
    assert [epoch.metrics for epoch in train(replace(training, seed=1))] != expected
