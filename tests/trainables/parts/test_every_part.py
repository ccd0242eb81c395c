"""What holds for every part that comes with the project: pytest tests/trainables/parts/test_every_part.py

A part is tested by its file being there, with the defaults of its knobs and with the least that each of them may be.
"""

import copy
import inspect
import subprocess
import sys

import pytest
import torch

from trainables.config import complete
from trainables.parts import calling, named, signature
from trainables.parts.family import AUGMENT, FAMILIES, LOSS, MODEL, OPTIMIZER, SCHEDULE, built_in
from trainables.training.augmentations import augment
from trainables.training.optimizers import BASE, make_optimizer, plain_step

CLASSES = 3
IMAGES = torch.randint(256, (8, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(8) % CLASSES
MEAN, STD = torch.full((3072,), 120.0), torch.full((3072,), 60.0)
PARTS = [(key, name) for key, family in FAMILIES.items() for name in built_in(family)]
every = {key: pytest.mark.parametrize("name", built_in(family)) for key, family in FAMILIES.items()}

pytestmark = pytest.mark.usefixtures("one_thread")


def network(**given):
    torch.manual_seed(0)
    return calling.model(complete({"model": "mlp", "width": 8, "depth": 1, **given}), CLASSES, 32)


def least(name):
    """The configuration of a model with the least that each of its knobs may be, so that it is small."""
    found = {key: knob.bounds.low for key, knob in built_in(MODEL)[name].items() if knob.bounds}
    return complete({"model": name, **found})


@pytest.mark.parametrize(("key", "name"), PARTS)
def test_what_is_read_from_its_source_is_what_python_says(key, name):
    family = FAMILIES[key]
    part = named.load(family, name)
    first = family.first_of(inspect.isclass(part))
    assert dict(signature.from_object(part, family.given, first)) == dict(built_in(family)[name])
    assert inspect.getdoc(part)


@pytest.mark.parametrize("library", named.ADAPTERS)
def test_what_is_read_from_an_adapter_is_what_python_says(library):
    maker = named.load(MODEL, f"{library}:some_model").func
    found = signature.from_object(maker, MODEL.given, 0)
    assert {name: knob for name, knob in found.items() if name != "name"} == named.of_adapter(library)


@pytest.mark.parametrize(("key", "name"), PARTS)
def test_every_knob_has_a_kind_and_a_default_that_it_may_have(key, name):
    for knob in built_in(FAMILIES[key])[name].values():
        assert knob.kind is not None
        knob.check(knob.default)


def test_signatures_are_read_without_torch():
    code = "import sys, trainables.config as c; c.complete({'model': 'convnet'}); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@every["model"]
def test_a_model_turns_images_into_logits_learns_and_is_put_back_by_its_state(name):
    torch.manual_seed(0)
    model = calling.model(least(name), CLASSES, 32)
    images = torch.randn(8, 3, 32, 32)
    before = copy.deepcopy(model.state_dict())
    logits = model(images)
    assert logits.shape == (8, CLASSES) and logits.dtype == torch.float32
    torch.nn.functional.cross_entropy(logits, LABELS).backward()
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)
    expected = model.eval()(images)
    assert torch.equal(model(images), expected), "nothing is random where nothing is trained"
    other = calling.model(least(name), CLASSES, 32)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.eval()(images), expected)
    assert before.keys() == other.state_dict().keys()


@every["model"]
@pytest.mark.parametrize("classes", [2, 5])
def test_a_model_has_as_many_classes_as_it_is_asked_for(name, classes):
    assert calling.model(least(name), classes, 32).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, classes)


@every["augment"]
def test_an_augmentation_follows_its_generator_and_nothing_else(name):
    def batch(seed):
        return augment({"augment": name}, IMAGES, LABELS, MEAN, STD, torch.Generator().manual_seed(seed))

    before, state = IMAGES.clone(), torch.get_rng_state()
    first, again = batch(1), batch(1)
    assert torch.equal(first.images, again.images)
    assert first.images.shape == (8, 3, 32, 32) and first.images.dtype == torch.float32
    assert first.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(first.labels, LABELS)
    assert first.weight is None or ((first.weight >= 0) & (first.weight <= 1)).all()
    assert torch.equal(IMAGES, before) and torch.equal(torch.get_rng_state(), state)


@every["optimizer"]
def test_an_optimizer_moves_every_weight_and_goes_on_from_its_state(name):
    config = complete({"optimizer": name, "model": "mlp", "width": 8, "depth": 1, "lr": 0.01})
    model, images = network(), torch.randn(8, 3, 32, 32)
    optimizer = make_optimizer(config, model)
    assert all(group[BASE] > 0 for group in optimizer.param_groups)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))

    def step(model, optimizer):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), LABELS).backward()
        plain_step(optimizer)()

    before = copy.deepcopy(model.state_dict())
    step(model, optimizer)
    assert not any(torch.equal(weight, before[key]) for key, weight in model.named_parameters())
    other = copy.deepcopy(model)
    second = make_optimizer(config, other)
    second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(model, optimizer)
    step(other, second)
    assert all(torch.equal(*pair) for pair in zip(model.parameters(), other.parameters(), strict=True))


@every["schedule"]
def test_a_schedule_is_a_factor_from_nothing_to_all_of_the_rate(name):
    factor = calling.bound(SCHEDULE, complete({"schedule": name}))
    values = [factor(place / 100) for place in range(101)]
    assert all(0 <= value <= 1 for value in values)
    assert max(values) == pytest.approx(1)
    assert values == [factor(place / 100) for place in range(101)]


@every["loss"]
def test_a_loss_is_the_mean_over_images_and_less_for_better_logits(name):
    loss = calling.bound(LOSS, complete({"loss": name}))
    good = 3.0 * torch.nn.functional.one_hot(LABELS, CLASSES)
    assert loss(good, LABELS).shape == ()
    assert loss(good, LABELS) < loss(-good, LABELS)
    each = [loss(good[place : place + 1], LABELS[place : place + 1]) for place in range(8)]
    assert loss(good, LABELS) == pytest.approx(torch.stack(each).mean())
    assert torch.isfinite(loss(good, torch.full((8, CLASSES), 1 / CLASSES)))


def test_every_family_has_the_part_that_is_taken_without_a_word():
    assert all(family.default in built_in(family) for family in (MODEL, OPTIMIZER, SCHEDULE, AUGMENT, LOSS))
