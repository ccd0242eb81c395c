"""Points of TPE on simulated objectives: pytest tests/search/algorithms/test_tpe.py"""

import math
import statistics
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from search.algorithms import base
from search.algorithms.ask_tell import define, frozen
from search.algorithms.base import Told
from search.algorithms.tpe import ALGORITHM
from spaces import Space, choice, loguniform, uniform
from tests.search.algorithms.test_conformance import ENDLESS
from trainables.objective import ACCURACY


def suggest(space, seed, index, told):
    return ALGORITHM.suggest(space, seed, index, told, ACCURACY)


PLAIN = Space(
    params={"model": "mlp", "lr": loguniform(1e-5, 1.0), "dropout": uniform(0.0, 0.9), "width": choice(64, 128, 256)},
    baseline={"lr": 1e-4, "dropout": 0.8, "width": 64},
    epochs=1,
)


def value(config):
    """Best at lr 0.01, dropout 0.2 and width 128; 0 there, negative elsewhere."""
    return (
        -((math.log10(config["lr"]) + 2) ** 2) - 9 * (config["dropout"] - 0.2) ** 2 - abs(config["width"] - 128) / 100
    )


def simulate(space, seed, count, draw):
    """The configurations and values of a search with one slot."""
    told = []
    point = dict(space.baseline)
    for index in range(1, count + 1):
        config = space.config(point)
        told.append(Told(config, "finished", [value(config)]))
        point = draw(space, seed, index, told)
    return told


def test_it_finds_better_points_than_random_ones():
    seeds = range(5)
    best = {
        draw: [max(trial.values[0] for trial in simulate(PLAIN, seed, 40, draw)) for seed in seeds]
        for draw in (suggest, lambda space, seed, index, told: next(base.redraws(space, seed, index)))
    }
    tpe, by_chance = (statistics.median(values) for values in best.values())
    assert tpe > by_chance / 2  # both below 0: at most half as far from the best


def test_the_same_told_set_gives_the_same_point_and_another_one_another():
    told = simulate(PLAIN, 0, 15, suggest)
    assert suggest(PLAIN, 0, 15, told) == suggest(PLAIN, 0, 15, told)
    better = replace(told[3], values=[1.0])
    points = [suggest(PLAIN, 0, 15, told), suggest(PLAIN, 1, 15, told), suggest(PLAIN, 0, 16, told),
              suggest(PLAIN, 0, 15, [*told[:3], better, *told[4:]])]  # fmt: skip
    assert len({str(point) for point in points}) == 4


def test_a_search_that_is_cut_goes_on_with_the_same_points():
    whole = simulate(PLAIN, 3, 20, suggest)
    for cut in (1, 11, 17):
        assert PLAIN.config(suggest(PLAIN, 3, cut, whole[:cut])) == whole[cut].config


def test_trials_that_run_keep_others_away_from_where_they_are():
    """Constant liar: what is being tried counts as bad until it is known."""
    told = simulate(PLAIN, 0, 20, suggest)
    distances = []
    for seed in range(5):
        point = suggest(PLAIN, seed, 20, told)
        running = [Told(PLAIN.config({**point, "lr": point["lr"] * (1 + i / 1000)}), "running") for i in range(12)]
        after = suggest(PLAIN, seed, 20, [*told, *running])
        distances.append(abs(math.log10(after["lr"] / point["lr"])) + abs(after["dropout"] - point["dropout"]))
    assert statistics.median(distances) > 0.1


def test_what_was_stopped_early_teaches_too():
    """Trials that are stopped below lr 0.001 and finished above it: the next points are above."""
    drawn = [base.redraws(PLAIN, 0, index) for index in range(30)]
    told = []
    for point in map(next, drawn):
        good = point["lr"] > 1e-3
        told.append(
            Told(PLAIN.config(point), "finished" if good else "stopped", [0.5 + value(PLAIN.config(point)) / 100])
        )
    points = [suggest(PLAIN, seed, 30, told) for seed in range(10)]
    assert sum(point["lr"] > 1e-3 for point in points) >= 8


@given(st.integers(0, 2**31))
def test_what_optuna_is_told_is_what_it_would_have_asked_for(seed):
    """The frozen trial of a configuration, asked again, gives the configuration."""
    import optuna

    point = next(base.redraws(ENDLESS, seed, 1))
    trial = frozen(ENDLESS, Told(ENDLESS.config(point), "finished", [0.5]), ACCURACY)
    assert define(ENDLESS, optuna.trial.FixedTrial(trial.params)) == point


def test_no_point_breaks_the_constraint():
    limited = replace(PLAIN, constraint=lambda config: config["dropout"] > 0.6)
    told = simulate(limited, 0, 16, suggest)  # although the best points are below
    assert all(trial.config["dropout"] > 0.6 for trial in told)
