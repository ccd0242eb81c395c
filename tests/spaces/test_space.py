"""Conditional and linked parameters, constraints and the lint: pytest tests/spaces/test_space.py"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces import Space, choice, integers, linked, logintegers, loguniform, uniform, warnings, when
from trainables.config import key_of
from trainables.errors import SpaceError

FAMILY = Space(
    params={
        "model": choice("mlp", "convnet", "resnet18"),
        "optimizer": choice("sgd", "adamw"),
        "depth": when("model", mlp=integers(1, 4), convnet=3),
        "width": when("model", mlp=choice(256, 512), convnet=choice(16, 32, 64)),
        "lr": when("optimizer", sgd=loguniform(1e-2, 1), adamw=loguniform(1e-4, 1e-2)),
    },
    baseline={"model": "mlp", "optimizer": "adamw", "depth": 2, "width": 256, "lr": 1e-3},
    epochs=2,
)
positions = st.lists(st.floats(0, 1, exclude_max=True), min_size=5, max_size=5)


@given(positions)
def test_a_conditional_parameter_is_there_only_for_what_it_belongs_to(place):
    point = FAMILY.at(place)
    config = FAMILY.config(point)
    assert ("width" in config) == (config["model"] != "resnet18")
    assert ("depth" in point) == (config["model"] == "mlp")
    assert config.get("depth") in {"mlp": range(1, 5), "convnet": (3,), "resnet18": (None,)}[config["model"]]
    assert 1e-2 <= config["lr"] <= 1 if config["optimizer"] == "sgd" else 1e-4 <= config["lr"] <= 1e-2


def test_a_grid_with_conditions_has_each_configuration_once():
    space = Space(
        params={
            "model": choice("mlp", "convnet", "resnet18"),
            "depth": when("model", mlp=choice(1, 2), convnet=choice(3)),
        },
        baseline={"model": "mlp", "depth": 1},
        epochs=1,
    )
    assert space.grid == [
        {"model": "mlp", "depth": 1}, {"model": "mlp", "depth": 2}, {"model": "convnet", "depth": 3}, {"model": "resnet18"},
    ]  # fmt: skip


def test_points_that_complete_to_the_same_configuration_are_one():
    space = Space(
        params={"model": "mlp", **linked(lr=(0.1, 0.1), depth=(3, 2)), "width": choice(1024, 512)},
        baseline={"lr": 0.1, "depth": 3, "width": 512},
        epochs=1,
    )
    same = Space(
        params={"optimizer": choice("sgd", "adamw"), "momentum": when("optimizer", sgd=choice(0.9, 0.8), adamw=0.9)},
        baseline={"optimizer": "adamw"},
        epochs=1,
    )
    assert len(space.grid) == 4
    assert len(same.grid) == 3
    assert len({key_of(same.config(point)) for point in same.grid}) == 3


def test_linked_parameters_are_drawn_with_one_number():
    space = Space(
        params={**linked(batch_size=(128, 256), lr=(0.1, 0.2)), "momentum": uniform(0.5, 0.9)},
        baseline={"batch_size": 256, "lr": 0.2, "momentum": 0.9},
        epochs=1,
    )
    assert space.axes == ["batch_size+lr", "momentum"]
    assert [space.at([u, 0.5]) for u in (0.2, 0.7)] == [
        {"batch_size": 128, "lr": 0.1, "momentum": 0.7}, {"batch_size": 256, "lr": 0.2, "momentum": 0.7},
    ]  # fmt: skip


LIMITED = {
    "params": {"model": "mlp", "depth": integers(1, 5), "width": choice(256, 512)},
    "baseline": {"depth": 2, "width": 256},
    "epochs": 1,
}


def test_a_constraint_takes_points_out_of_the_grid_and_changes_the_hash():
    free, limited = (
        Space(**LIMITED),
        Space(**LIMITED, constraint=lambda config: config["depth"] * config["width"] <= 1024),
    )
    other = Space(**LIMITED, constraint=lambda config: config["depth"] * config["width"] <= 2048)
    assert (len(free.grid), len(limited.grid)) == (10, 6)
    assert len({space.digest() for space in (free, limited, other)}) == 3


def test_a_constraint_that_fails_on_a_point_names_the_point():
    space = Space(**LIMITED, constraint=lambda config: 1 / (config["depth"] - 3) < 2)
    with pytest.raises(SpaceError, match=r"ZeroDivisionError.*'depth': 3"):
        _ = space.grid


@pytest.mark.parametrize(
    ("key", "range_", "what"),
    [
        ("lr", uniform(1e-4, 1.0), "90 % of uniform(0.0001, 1) lie in its largest decade. Write loguniform"),
        ("width", integers(8, 4096), "Write logintegers"),
        ("weight_decay", uniform(0.0, 0.1), "90 % of uniform(0, 0.1) lie in its largest decade"),
        ("lr", when("optimizer", sgd=uniform(1e-4, 1.0)), "Write loguniform"),
        ("momentum", when("optimizer", sgd=choice(0.8, 0.9), adamw=choice(0.9, 0.8)), "the optimizer is never adamw"),
        ("momentum", choice(0.9), "momentum=0.9 as a constant"),
    ],
)
def test_the_lint_warns(key, range_, what):
    value = range_.bounds()[0]
    space = Space(params={"model": "mlp", "optimizer": "sgd", key: range_}, baseline={key: value}, epochs=1)
    assert any(what in line for line in warnings(space)), warnings(space)


@pytest.mark.parametrize(
    ("key", "range_"),
    [
        ("lr", loguniform(1e-4, 1)),
        ("dropout", uniform(0, 0.6)),
        ("width", logintegers(8, 4096)),
        ("depth", integers(1, 16)),
    ],
)
def test_the_lint_is_silent_about_what_is_fine(key, range_):
    assert warnings(Space(params={"model": "mlp", key: range_}, baseline={key: range_.bounds()[1]}, epochs=1)) == []


def test_the_lint_says_how_much_a_constraint_rejects():
    narrow = Space(**LIMITED, constraint=lambda config: config["depth"] <= 2)
    wide = Space(**LIMITED, constraint=lambda config: config["depth"] <= 4)
    assert any("constraint rejects about" in line for line in warnings(narrow))
    assert warnings(wide) == []


@pytest.mark.parametrize("name", ["asha", "sha", "median", "none", "epochs:1", "epochs:12"])
def test_a_space_may_name_any_scheduler(name):
    assert Space(**LIMITED, scheduler=name).scheduler == name


@pytest.mark.parametrize("name", ["epochs:0", "epochs:K", "epochs", "Asha", "", None, 3])
def test_another_scheduler_is_refused(name):
    with pytest.raises(SpaceError, match=r"scheduler must be .*'epochs:K' with a number for K"):
        Space(**LIMITED, scheduler=name)


def test_a_share_from_zero_is_no_range_over_decades():
    space = Space(params={"model": "mlp", "dropout": uniform(0.0, 0.6)}, baseline={"dropout": 0.3}, epochs=1)
    assert warnings(space) == []


def test_a_model_may_be_linked_with_a_depth_that_only_it_can_have():
    params = linked(model=("mlp", "resnet"), depth=(3, 20), width=(1024, 16))
    space = Space(
        params={**params, "lr": choice(0.1, 0.2)},
        baseline={"model": "mlp", "depth": 3, "width": 1024, "lr": 0.1},
        epochs=1,
    )
    assert [point["depth"] for point in space.grid] == [3, 3, 20, 20]
    with pytest.raises(SpaceError, match=r"with model 'resnet'.*one of 8, 14, 20.*Take 20"):
        replace(
            space, params={**linked(model=("mlp", "resnet"), depth=(3, 21), width=(1024, 16)), "lr": choice(0.1, 0.2)}
        )
