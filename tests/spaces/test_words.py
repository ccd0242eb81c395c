"""Words of other tools, and a baseline that is left out: pytest tests/spaces/test_words.py"""

import importlib

import pytest

import spaces
from spaces import Space, changed, choice, integers, loguniform, uniform, warnings, when
from spaces._words import WORDS, answer
from trainables.errors import SpaceError


def made(**params):
    return Space(params=params, epochs=1)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ([1e-3, 1e-4], r"lr: \[0.001, 0.0001\] is a list. Write choice\(0.001, 0.0001\)"),
        ((0.1, 0.2), r"is a tuple. Write choice\(0.1, 0.2\)"),
        ({"values": [0.1, 0.2]}, r"Write choice\(0.1, 0.2\)"),
        ({"min": 1e-4, "max": 0.1, "distribution": "log_uniform_values"}, r"Write loguniform\(0.0001, 0.1\)"),
        ({"value": 0.1}, r"is a dict. Write 0.1"),
    ],
)
def test_what_another_tool_would_take_is_answered(value, what):
    with pytest.raises(SpaceError, match=what):
        made(lr=value)


@pytest.mark.parametrize("name", ["optuna", "ray"])
def test_ranges_of_other_libraries_are_answered(name):
    if name == "ray":
        tune = importlib.import_module("ray.tune")
        values = {"loguniform(0.0001, 0.1)": tune.loguniform(1e-4, 0.1), "choice(0.1, 0.2)": tune.choice([0.1, 0.2])}
    else:
        optuna = importlib.import_module("optuna")
        real, one = optuna.distributions.FloatDistribution, optuna.distributions.CategoricalDistribution
        values = {"loguniform(0.0001, 0.1)": real(1e-4, 0.1, log=True), "choice(0.1, 0.2)": one([0.1, 0.2])}
    for expected, value in values.items():
        with pytest.raises(SpaceError) as caught:
            made(lr=value)
        assert str(caught.value).endswith(f" of {name}. Write {expected}.")


def test_a_list_in_a_choice_is_answered():
    with pytest.raises(SpaceError, match=r"Write choice\(0.001, 0.0001\)"):
        choice([1e-3, 1e-4])
    with pytest.raises(SpaceError, match=r"choice\(\) cannot have \[1\]"):
        choice([1], 2)


@pytest.mark.parametrize("word", ["suggest_float", "tune.loguniform", "hp.Float", "suggest_categorical", "quniform"])
def test_a_word_of_another_tool_is_answered_wherever_it_stands(word):
    space = made(lr=choice(0.1, 0.2))
    with pytest.raises(SpaceError, match=r"loguniform|uniform|choice"):
        changed(space, [f"lr={word}(0.1, 1)"])
    if "." not in word:
        with pytest.raises(SpaceError, match=f"{word} is a word of another tool. Write"):
            getattr(spaces, word)


def test_no_word_is_one_of_ours_and_any_other_name_is_absent():
    assert not set(WORDS) & set(spaces.__all__)
    assert answer("nonsense") is None
    with pytest.raises(AttributeError):
        spaces.nonsense  # noqa: B018


def test_without_a_baseline_the_middle_of_every_range_is_tried_first_and_said():
    params = {
        "model": choice("mlp", "convnet", "resnet18"),
        "width": when("model", mlp=integers(100, 300), convnet=16),
        "lr": loguniform(1e-3, 1e-1),
        "dropout": uniform(0.0, 0.5),
    }
    space = Space(params=params, epochs=1)
    assert space.baseline == {"model": "convnet", "lr": 0.01, "dropout": 0.25}
    assert warnings(space)[0] == (
        "the space has no baseline: the middle of every range is tried first, model=convnet, lr=0.01, dropout=0.25."
    )
    known = Space(params=params, baseline=space.baseline, epochs=1)
    assert warnings(known) == []
    assert known.digest() == space.digest(), "the same search"
