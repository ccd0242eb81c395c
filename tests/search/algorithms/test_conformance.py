"""What every search algorithm promises: pytest tests/search/algorithms/test_conformance.py

An algorithm is tested by being in search/algorithms/table.py.
"""

import itertools
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search.algorithms.base import Adaptive, Algorithm, Planned, Told, first_new, redraws
from search.algorithms.table import ALGORITHMS, described, load
from search.run import plan
from search.terminal import reference
from spaces import Space, choice, integers, linked, logintegers, loguniform, uniform, when
from trainables.config import canonical, key_of
from trainables.errors import SpaceError
from trainables.objective import Objective

MORE, LESS = (Objective("x", mode, "decimals") for mode in ("max", "min"))
LINKED = [(64, 1e-4), (128, 2e-4), (256, 4e-4)]
LISTED = Space(
    params={
        "model": choice("mlp", "convnet"),
        "depth": when("model", mlp=choice(1, 2), convnet=3),
        "width": when("model", mlp=choice(64, 128), convnet=choice(16, 32, 64)),
        "momentum": uniform(0.8, 0.9, step=0.1),
        **linked(batch_size=(64, 128, 256), weight_decay=(1e-4, 2e-4, 4e-4)),
    },
    baseline={"model": "mlp", "depth": 2, "width": 128, "momentum": 0.9, "batch_size": 128, "weight_decay": 2e-4},
    epochs=2,
)  # fmt: skip
SIX = Space(params={"model": "mlp", "lr": choice(0.1, 0.2, 0.3), "momentum": choice(0, 0.9)},
            baseline={"lr": 0.2, "momentum": 0.9}, epochs=3)  # fmt: skip
ENDLESS = Space(
    params={
        "model": choice("mlp", "convnet", "resnet18"),
        "optimizer": choice("sgd", "adamw"),
        "depth": when("model", mlp=integers(1, 6), convnet=3),
        "width": when("model", mlp=logintegers(64, 512), convnet=choice(16, 32, 64)),
        "lr": when("optimizer", sgd=loguniform(1e-2, 1), adamw=loguniform(1e-4, 1e-2)),
        "momentum": uniform(0.5, 0.9, step=0.1),
        **linked(batch_size=(64, 128, 256), weight_decay=(1e-4, 2e-4, 4e-4)),
    },
    baseline={
        "model": "mlp", "optimizer": "adamw", "depth": 2, "width": 256, "lr": 1e-3, "momentum": 0.9, "batch_size": 128,
        "weight_decay": 2e-4,
    },
    epochs=2,
)  # fmt: skip
every_algorithm = pytest.mark.parametrize("name", ALGORITHMS)
SEEDS = st.integers(0, 2**31 - 1)
quick = settings(max_examples=2)


def takes(name, space):
    """Whether it can draw from such a space; what it cannot is refused in one line."""
    try:
        return load(name).size(space, 1) == 1
    except SpaceError as error:
        assert "Use --algo" in str(error)
        return False


def spaces_of(name):
    return [space for space in (LISTED, SIX, ENDLESS) if takes(name, space)]


def most(name, space, asked):
    """As many points as asked for, or as there are."""
    return min(load(name).size(space, asked), len(space.grid) if space.is_listed else asked)


def told_of(lines, objective=MORE):
    """What the trials of such lines came to: of three one diverged and one was stopped."""
    statuses = itertools.cycle(["finished", "stopped", "diverged"])
    for status, line in zip(statuses, lines, strict=False):
        values = [objective.signed(line["config"]["momentum"] + len(lines) % 3), 0.5] if status != "diverged" else []
        yield Told(line["config"], status, values)


def search(name, space, count, seed, warm=()):
    """The first lines of a plan; those of an adaptive algorithm as a search with one slot draws them."""
    lines, algorithm = plan.draw(space, name, count, seed, warm), load(name)
    while isinstance(algorithm, Adaptive) and len(lines) < count:
        point = algorithm.suggest(space, seed, len(lines), list(told_of(lines)), MORE)
        lines.append(plan.entry(len(lines), space, point, name, seed))
    return lines


@every_algorithm
def test_it_is_an_algorithm_in_the_file_of_its_name_that_help_and_docs_name(name):
    algorithm = load(name)
    assert isinstance(algorithm, Algorithm)
    assert isinstance(algorithm, Planned) != isinstance(algorithm, Adaptive)
    assert type(algorithm).__module__ == f"search.algorithms.{name}"
    assert name in described()
    assert described() in reference.page()


@every_algorithm
def test_a_space_of_lists_is_taken_and_sized(name):
    assert takes(name, SIX)
    assert load(name).size(SIX, 4) == 4
    assert load(name).size(SIX, None) == 6


@every_algorithm
@quick
@given(seed=SEEDS, first=st.integers(1, 9), second=st.integers(1, 9))
def test_the_same_is_drawn_again_and_asking_for_more_only_appends(name, seed, first, second):
    few, many = sorted((first, second))
    for space in spaces_of(name):
        known = most(name, space, few)
        assert search(name, space, most(name, space, many), seed)[:known] == search(name, space, known, seed)


@every_algorithm
@quick
@given(seed=SEEDS)
@example(seed=0)
def test_points_lie_in_the_space_with_what_applies_to_them_and_no_two_are_one(name, seed):
    for space in spaces_of(name):
        lines = search(name, space, most(name, space, 8), seed)
        assert [line["index"] for line in lines] == list(range(len(lines)))
        assert [line["source"] for line in lines] == ["baseline", *[name] * (len(lines) - 1)]
        assert lines[0]["config"] == plan.entry(0, space, space.baseline, "baseline", seed)["config"]
        assert len({key_of(line["config"]) for line in lines}) == len({line["id"] for line in lines}) == len(lines)
        for line in lines:
            check_config(space, line["config"])


def check_config(space, config):
    ranges = space.ranges(config)
    assert all(config[key] in range_ for key, range_ in ranges.items())
    again = space.config({key: config[key] for key in ranges})
    assert canonical({**again, **config}) == canonical(again), "what is not searched is as the space has it"
    if "batch_size" in space.params:
        assert (config["batch_size"], config["weight_decay"]) in LINKED


@every_algorithm
def test_another_seed_draws_other_points_unless_it_lists_them_all(name):
    space = spaces_of(name)[-1]
    drawn = {str([line["config"] for line in search(name, space, 9, seed)]) for seed in range(4)}
    assert len(drawn) == (1 if name == "grid" else 4)


@every_algorithm
@quick
@given(seed=SEEDS)
def test_no_point_breaks_the_constraint(name, seed):
    for space in spaces_of(name):
        limited = replace(space, constraint=lambda config: config["momentum"] > 0.85)
        lines = search(name, limited, most(name, limited, 9), seed)
        assert all(line["config"]["momentum"] > 0.85 for line in lines)


@every_algorithm
def test_all_points_of_a_small_space_are_found_and_then_it_is_used_up(name):
    lines = search(name, SIX, 6, 0)
    assert len({line["id"] for line in lines}) == 6
    if load(name).size(SIX, 7) == 7:
        with pytest.raises(SpaceError, match="at most --num-samples 6"):
            search(name, SIX, 7, 0)


@every_algorithm
def test_a_constraint_that_leaves_only_the_baseline_says_so(name):
    limited = replace(SIX, constraint=lambda config: config["lr"] == 0.2 and config["momentum"] == 0.9)
    if load(name).size(limited, 2) == 2:
        with pytest.raises(SpaceError, match="only 1 different point that its constraint allows"):
            search(name, limited, 2, 0)


@every_algorithm
def test_warm_points_come_right_after_the_baseline_and_are_not_drawn_again(name):
    warm = [{"lr": 0.3, "momentum": 0.0}, {"lr": 0.2, "momentum": 0.9}, {"lr": 0.3, "momentum": 0}]
    drawn = search(name, SIX, 6, 0, warm)
    assert [entry["source"] for entry in drawn] == ["baseline", "warm", *[name] * 4]
    assert drawn[1]["config"]["lr"] == 0.3
    assert len({entry["id"] for entry in drawn}) == 6


adaptive_ones = pytest.mark.parametrize("name", [name for name in ALGORITHMS if isinstance(load(name), Adaptive)])
STATES = st.sampled_from(["finished", "stopped", "diverged", "failed", "running"])


@adaptive_ones
@settings(max_examples=5)
@given(seed=SEEDS, states=st.lists(STATES, max_size=25))
def test_whatever_it_is_told_it_suggests_the_same_new_point_and_by_less_as_by_more(name, seed, states):
    lines = [plan.entry(0, ENDLESS, ENDLESS.baseline, "baseline", 0)]
    lines += [plan.entry(1, ENDLESS, next(redraws(ENDLESS, seed, index)), name, 0) for index in range(len(states))]
    values = [[0.1 * (index % 7), 0.5] for index in range(len(lines))]
    points = []
    for objective in (MORE, MORE, LESS):
        told = [
            Told(
                line["config"],
                state,
                [objective.signed(each) for each in own] if state in ("finished", "stopped") else [],
            )
            for line, state, own in zip(lines, ["running", *states], values, strict=True)
        ]
        points.append(load(name).suggest(ENDLESS, seed, len(told), told, objective))
    assert points[0] == points[1] == points[2]
    assert key_of(ENDLESS.config(points[0])) not in {key_of(line["config"]) for line in lines}
    check_config(ENDLESS, ENDLESS.config(points[0]))


@adaptive_ones
def test_what_an_earlier_trial_came_to_changes_the_point(name):
    lines = search(name, ENDLESS, 15, 0)
    told = list(told_of(lines))
    other = [
        replace(each, values=[each.values[0] * index, 0.5] if each.values else ()) for index, each in enumerate(told)
    ]
    assert len({str(load(name).suggest(ENDLESS, 0, 15, each, MORE)) for each in (told, other)}) == 2


def test_of_a_space_that_cannot_be_listed_nobody_knows_how_many_points_it_has():
    space = Space(params={"lr": loguniform(1e-3, 1.0)}, baseline={"lr": 0.1}, epochs=1)
    with pytest.raises(SpaceError, match="no point 6 that the constraint allows was found in 1000 draws"):
        first_new(space, 5, redraws(space, 0, 5), lambda point: False)
