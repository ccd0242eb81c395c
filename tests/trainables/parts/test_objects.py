"""Parts that are given as objects: pytest tests/trainables/parts/test_objects.py"""

import functools
from pathlib import Path

import pytest

from spaces import Space, choice, when
from trainables.errors import SpaceError
from trainables.models.mlp import mlp
from trainables.parts import objects
from trainables.parts.family import LOSS, MODEL, OPTIMIZER


@pytest.fixture
def own(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import own_parts

    return own_parts


def outer():
    def inner(classes):
        return None

    return inner


def test_an_object_becomes_the_name_that_another_process_imports(own):
    import torchvision.models

    assert objects.text_of(MODEL, own.FlowerNet) == "own_parts.py:FlowerNet"
    assert objects.text_of(LOSS, own.focal) == "own_parts.py:focal"
    assert objects.text_of(MODEL, mlp) == "mlp"
    assert objects.text_of(MODEL, torchvision.models.resnet50) == "torchvision:resnet50"
    assert objects.text_of(OPTIMIZER, __import__("torch").optim.RMSprop) == "torch.optim.rmsprop:RMSprop"


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (lambda own: lambda classes: None, r"is a lambda.*Write def my_model\(\.\.\.\): at the top level"),
        (lambda own: functools.partial(own.FlowerNet, channels=8), "is a partial.*'model': FlowerNet.*'channels': 8"),
        (lambda own: outer(), "Move inner to the top level of its file"),
        (lambda own: own.FlowerNet(3), "is an object of class FlowerNet.*Write the class: 'model': FlowerNet"),
    ],
)
def test_what_has_no_name_is_refused_with_the_line_that_would_work(own, made, what):
    with pytest.raises(SpaceError, match=what):
        objects.text_of(MODEL, made(own))


def test_what_the_program_itself_defines_is_refused(own, monkeypatch):
    monkeypatch.setattr(own.focal, "__module__", "__main__")
    with pytest.raises(SpaceError, match=r"Move it to a file: 'loss': 'my_parts\.py:focal'"):
        objects.text_of(LOSS, own.focal)


def test_a_space_holds_names_where_objects_were_given(own):
    found = Space(
        params={
            "model": choice(own.FlowerNet, "mlp"),
            "channels": when("model", FlowerNet=choice(4, 8)),
            "width": when("model", mlp=64),
            "loss": own.Smooth,
        },
        baseline={"model": own.FlowerNet, "channels": 8},
        epochs=2,
    )
    assert found.params["loss"] == "own_parts.py:Smooth"
    assert found.baseline == {"model": "own_parts.py:FlowerNet", "channels": 8}
    assert [(point["model"], point.get("channels")) for point in found.grid] == [
        ("own_parts.py:FlowerNet", 4), ("own_parts.py:FlowerNet", 8), ("mlp", None),
    ]  # fmt: skip
    assert found.config({"model": "mlp"})["width"] == 64


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"channels": choice(4, 8), "kernal": 3}, r"unknown hyperparameter 'kernal'. Did you mean 'kernel'\?"),
        ({"channels": choice(4, "8")}, "channels must be an integer, but got '8'"),
        (
            {"channels": choice(4, 8), "label_smoothing": 0.1, "loss": "own_parts.py:Smooth"},
            "'label_smoothing' is not read by",
        ),
    ],
)
def test_a_space_knows_the_knobs_of_its_parts(own, params, what):
    with pytest.raises(SpaceError, match=what):
        Space(params={"model": own.FlowerNet, **params}, baseline={"channels": 4}, epochs=1)


def test_what_is_set_for_one_run_may_name_a_part(own):
    from spaces import changed

    base = Space(params={"model": "mlp", "lr": choice(0.1, 0.2)}, baseline={"lr": 0.1}, epochs=1)
    found, _ = changed(base, ["model=own_parts.py:FlowerNet,mlp"])
    assert found.params["model"].values == ("own_parts.py:FlowerNet", "mlp")
    both, _ = changed(base, ["channels=4,8", "model=own_parts.py:FlowerNet"])
    assert both.grid[0] == {"lr": 0.1, "channels": 4}
    one, _ = changed(base, ["model=own_parts.py:FlowerNet"])
    assert changed(one, ["channels=4,8"])[0].grid[0] == {"lr": 0.1, "channels": 4}
