"""Which configurations are tried: pytest tests/search/run/test_plan.py"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spaces
from search.algorithms import base, qmc
from search.records import Totals
from search.run import plan
from spaces import Space, choice, integers, uniform
from trainables.config import trial_id_of_schema_1
from trainables.errors import SpaceError

RANDOM = Space(
    params={"model": "mlp", "depth": integers(1, 3), "lr": uniform(0.1, 0.2)},
    baseline={"depth": 2, "lr": 0.15},
    epochs=3,
)
GRID = Space(
    params={"lr": choice(0.1, 0.2, 0.3), "momentum": choice(0.0, 0.9)}, baseline={"lr": 0.2, "momentum": 0.9}, epochs=3
)


drawing = pytest.mark.parametrize("algorithm", ["random", "qmc"])


def test_the_random_points_of_earlier_runs_are_still_drawn():
    drawn = plan.draw(spaces.load("mlp_random"), "random", 3, 0)
    ids = [trial_id_of_schema_1(entry["config"] | {"ema": 0.0}, entry["seed"]) for entry in drawn]
    assert ids == ["843a86", "20d7d6", "526e2f"]


def test_a_grid_is_every_combination_once_the_baseline_first():
    drawn = plan.draw(GRID, "grid", len(GRID.grid), 0)
    points = [(entry["config"]["lr"], entry["config"]["momentum"]) for entry in drawn]
    assert points[0] == (0.2, 0.9)
    assert sorted(points) == [(lr, momentum) for lr in (0.1, 0.2, 0.3) for momentum in (0.0, 0.9)]


@drawing
def test_the_last_of_many_listed_points_is_found(algorithm, monkeypatch):
    """Also where the draws of one point are too few to meet it."""
    for module in (base, qmc):
        monkeypatch.setattr(module, "ATTEMPTS", 50)
    many = Space(params={"width": integers(1, 300), "model": "mlp"}, baseline={"width": 8}, epochs=1)
    assert len(plan.draw(many, algorithm, 300, 0)) == 300


def test_without_a_number_a_drawn_search_has_at_most_the_points_there_are():
    assert plan.size(GRID, "random", None) == 6
    assert plan.size(RANDOM, "random", None) == 16


def test_whole_numbers_and_steps_can_be_a_grid():
    steps = Space(params={"momentum": uniform(0, 0.8, step=0.4), "lr": choice(0.1, 0.2)},
                  baseline={"momentum": 0.4, "lr": 0.1}, epochs=1)  # fmt: skip
    assert plan.default_algorithm(steps) == "random"
    assert plan.size(steps, "grid", None) == 6
    assert len(plan.draw(steps, "grid", 10, 0)) == 6


def test_a_grid_over_an_interval_is_refused():
    with pytest.raises(SpaceError, match=r"but lr has a range\. Use --algo random"):
        plan.draw(RANDOM, "grid", 3, 0)


@pytest.mark.parametrize(("asked", "expected"), [(None, 6), (4, 4), (100, 6)])
def test_a_grid_never_has_more_trials_than_points(asked, expected):
    assert plan.size(GRID, "grid", asked) == expected


growth = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=5)


@given(growth)
def test_growing_trials_and_seeds_in_any_order_only_appends(steps):
    history, trials, seeds = [], 1, 1
    for more_trials, more_seeds in steps:
        trials, seeds = max(trials, more_trials), max(seeds, more_seeds)
        history.append(Totals(trials=trials, epochs=1, seeds=seeds))
    points = plan.draw(RANDOM, "random", trials, 3)
    lines = plan.replicates(points, history, 3)
    assert lines[: len(plan.order(history[:-1]))] == plan.replicates(points, history[:-1], 3)
    assert len({line["id"] for line in lines}) == len(lines) == trials * seeds
    assert [line["index"] for line in lines] == list(range(len(lines)))


def test_a_point_is_planned_on_the_seed_of_the_run_and_on_derived_ones_with_the_same_source():
    lines = plan.replicates(plan.draw(GRID, "grid", 2, 7), [Totals(trials=2, epochs=1, seeds=2)], 7)
    assert [line["source"] for line in lines] == ["baseline", "baseline", "grid", "grid"]
    assert [line["seed"] for line in lines] == [7, plan.replicate_seed(7, 1)] * 2
    assert lines[0]["config"] == lines[1]["config"]
    assert lines[:1] == plan.draw(GRID, "grid", 1, 7)


def test_a_line_of_the_plan_holds_a_whole_configuration_without_epochs():
    entry = plan.draw(GRID, "grid", 1, 7)[0]
    assert entry["seed"] == 7
    assert entry["config"]["model"] == "resnet18"
    assert "epochs" not in entry["config"]
