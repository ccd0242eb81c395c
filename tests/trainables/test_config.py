"""Names, defaults and rules of hyperparameters: pytest tests/trainables/test_config.py"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables import config, seeds
from trainables.errors import SpaceError


@pytest.mark.parametrize("model", config.MODELS)
def test_a_model_alone_is_a_complete_configuration(model):
    own = {name: knob.default for name, knob in config.MODELS[model].items()}
    assert config.complete({"model": model}) == {**config.DEFAULTS, "model": model, **own}


@pytest.mark.parametrize("optimizer", config.OPTIMIZERS)
def test_an_optimizer_brings_its_own_knobs(optimizer):
    own = {name: knob.default for name, knob in config.OPTIMIZERS[optimizer].items()}
    assert config.complete({"optimizer": optimizer}).items() >= own.items()


def test_a_misspelt_key_names_the_closest_one():
    with pytest.raises(SpaceError, match="'weight_decay'"):
        config.complete({"weightdecay": 0.1})


@pytest.mark.parametrize(
    ("given", "known", "meant"),
    [
        ("LR", config.KEYS, "lr"),
        ("CIFAR10", ("auto", "digits", "cifar10", "cifar100"), "cifar10"),
        ("MLP", config.MODELS, "mlp"),
        ("Batch-Size", config.KEYS, "batch_size"),
        ("mUON", config.OPTIMIZERS, "muon"),
        ("JSON", ("md", "csv", "json"), "json"),
        ("flowers", ("Flowers", "FLOWERS"), "Flowers"),
    ],
)
def test_the_case_of_letters_hides_no_name(given, known, meant):
    assert f" Did you mean {meant!r}? Known: " in config.unknown("name", given, known)


def test_a_knob_that_the_model_does_not_read_is_refused():
    with pytest.raises(SpaceError, match="'depth' is not read by resnet18"):
        config.complete({"model": "resnet18", "depth": 3})


def test_a_knob_that_the_optimizer_does_not_read_is_refused():
    with pytest.raises(SpaceError, match=r"'adamw_lr' is not read by sgd. .* another optimizer \(muon\)"):
        config.complete({"optimizer": "sgd", "adamw_lr": 0.1})


@pytest.mark.parametrize(
    ("model", "depth", "advice"),
    [("resnet", 18, "Take 20"), ("resnet", 2, "Take 8"), ("resnet", 54, "Take 56"), ("mlp", 17, "1 to 16"),
     ("convnet", 20, "1 to 16")],
)  # fmt: skip
def test_a_depth_that_the_model_cannot_have_is_refused(model, depth, advice):
    with pytest.raises(SpaceError, match=rf"depth of (a )?{model}.*{advice}"):
        config.complete({"model": model, "depth": depth})


def test_the_configurations_of_finished_runs_keep_their_keys_and_ids():
    known = {
        "model": "mlp",
        "depth": 3,
        "width": 1024,
        "dropout": 0.3,
        "lr": 5e-4,
        "optimizer": "adamw",
        "batch_size": 128,
    }
    complete = config.complete({**known, "weight_decay": 1e-4, "schedule": "constant", "augment": "none", "epochs": 20})
    assert list(complete) == [*config.DEFAULTS, "depth", "width"]
    assert config.trial_id_of_schema_1(complete, 0) == "843a86"
    assert config.trial_id(complete, 0) == "0bed24"


@pytest.mark.parametrize(
    ("key", "value"),
    [("adamw_lr", 0), ("depth", 10**6), ("lr", 0),
     ("lr", -1.0), ("lr", math.nan), ("lr", math.inf), ("lr", "0.1"), ("dropout", 1.0), ("dropout", True),
     ("batch_size", 1), ("batch_size", 2.5), ("epochs", 0), ("epochs", True), ("model", "vgg"), ("augment", None)],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_with_its_name(key, value):
    with pytest.raises(SpaceError, match=key):
        config.complete({key: value})


@given(st.permutations(list(config.DEFAULTS)), st.integers(1, 100))
def test_the_id_ignores_the_order_of_keys_and_the_number_of_epochs(keys, epochs):
    shuffled = {key: config.DEFAULTS[key] for key in keys} | {"epochs": epochs}
    assert config.trial_id(shuffled, 0) == config.trial_id(config.DEFAULTS, 0)


def test_the_id_differs_for_another_value_and_another_seed():
    ids = {
        config.trial_id(config.DEFAULTS, 0),
        config.trial_id(config.DEFAULTS, 1),
        config.trial_id(config.DEFAULTS | {"lr": 0.2}, 0),
    }
    assert len(ids) == 3


knobs = st.sampled_from(["lr", "width", "model", "dropout", "label_smoothing", "kernel"])
values = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
)
configurations = st.dictionaries(knobs, values)


def respelled(value, dice):
    """The same value, written in another way where there is one."""
    if type(value) is int:
        return float(value)
    if type(value) is float and value.is_integer() and dice.random() < 0.5:
        return int(value)
    return -0.0 if type(value) is float and value == 0 else value


@given(configurations, st.randoms(use_true_random=False))
def test_no_two_spellings_of_one_configuration_are_two(given, dice):
    other = {key: respelled(given[key], dice) for key in dice.sample(list(given), len(given))}
    assert config.key_of(other | {"epochs": 9}) == config.key_of(given)
    assert config.trial_id(other, 3) == config.trial_id(given, 3)


@given(configurations, configurations)
def test_no_two_configurations_are_one(first, second):
    """By their keys: ids have six digits, and two of thousands may meet."""

    def plain(given):
        told = {key: (type(value) is bool, value) for key, value in given.items()}
        return {
            key: value
            for key, value in told.items()
            if not (key in config.NEUTRAL and value == (False, config.NEUTRAL[key]))
        }

    assert (config.key_of(first) == config.key_of(second)) == (plain(first) == plain(second))


@pytest.mark.parametrize("text", ["1", "1.0", "1e0", "10e-1", "0.1e1"])
def test_however_a_number_is_written_it_is_one_configuration(text):
    whole = config.complete({"lr": float(text), "model": "mlp", "width": float(text) * 64})
    assert config.trial_id(whole, 0) == config.trial_id(config.complete({"lr": 1, "model": "mlp", "width": 64}), 0)
    assert (type(whole["lr"]), type(whole["width"])) == (float, int)


def test_a_knob_that_does_nothing_is_in_no_id():
    """So that a new one moves none."""
    for key in config.NEUTRAL:
        without = {name: value for name, value in config.DEFAULTS.items() if name != key}
        assert config.trial_id(without | {key: config.NEUTRAL[key]}, 0) == config.trial_id(without, 0)
        assert config.trial_id(without | {key: 0.1}, 0) != config.trial_id(without, 0)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=2, unique=True))
def test_seeds_derived_from_parts_do_not_add_up(pair):
    first, second = pair
    assert seeds.derive(first, second) != seeds.derive(second, first)
    assert 0 <= seeds.derive(first, second) < 2**63
