"""A search goes by its objective: less being better is more being better of the negated values.

pytest tests/search/test_objective.py
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.records import Identity
from search.run import order
from search.stopping.arrivals import Rungs
from search.stopping.rules import least, rule, survivors
from tests.records import IDENTITY, recorded_identity
from trainables.errors import RunError
from trainables.objective import ACCURACY, LOSS, Objective

MORE, LESS = (Objective("x", mode, "decimals") for mode in ("max", "min"))
values = st.floats(-100, 100, allow_subnormal=False) | st.integers(-3, 3).map(float)
curves = st.lists(st.lists(values, min_size=6, max_size=6), min_size=1, max_size=8)


@given(st.dictionaries(st.integers(0, 20), values, min_size=1), st.integers(0, 8))
def test_whole_rungs_keep_the_same_trials(rung, count):
    negated = {trial: -value for trial, value in rung.items()}
    going_on = survivors(rung, count, MORE)
    assert survivors(negated, count, LESS) == going_on
    bars = least(rung, going_on, MORE), least(negated, going_on, LESS)
    assert bars == (None, None) or bars[0] == -bars[1]


def test_the_trial_with_the_least_loss_goes_on():
    """The case by name: of losses 0.2 and 0.9 the second stops, whichever rule decides."""
    for name in ("asha", "median"):
        rungs = Rungs(rule(name), 9, LOSS)
        for trial, loss in enumerate((0.2, 0.25, 0.3)):
            rungs.count(trial, 1, loss, audit=False)
        assert (rungs.judge(3, 1, 0.1)[0], rungs.judge(3, 1, 0.9)[0]) == (False, True)
    assert survivors({0: 0.9, 1: 0.2}, 1, LOSS) == {1}
    assert least({0: 0.9, 1: 0.2, 2: 0.3}, {1, 2}, LOSS) == 0.3


@given(st.lists(values, min_size=1, max_size=9))
def test_the_best_epoch_is_the_same_one(curve):
    rows = [{"epoch": epoch, "x": value} for epoch, value in enumerate(curve, 1)]
    negated = [row | {"x": -row["x"]} for row in rows]
    best = MORE.best_epoch(rows)
    assert best["epoch"] == LESS.best_epoch(negated)["epoch"] == 1 + curve.index(max(curve))
    assert MORE.best(curve) == -LESS.best([-value for value in curve])


@given(st.lists(values | st.none() | st.just(math.nan), max_size=9))
def test_the_order_of_trials_is_the_same_and_what_has_no_value_comes_last(found):
    def ranked(objective):
        keys = [
            order.key("finished", None if value is None else objective.signed(value), index, objective)
            for index, value in enumerate(found)
        ]
        return [index for _, _, index in sorted(keys)]

    assert ranked(MORE) == ranked(LESS)
    absent = [value is None or math.isnan(value) for value in (found[index] for index in ranked(LESS))]
    assert absent == sorted(absent)


def test_run_json_names_the_objective_and_older_ones_mean_accuracy():
    assert recorded_identity().objective == ACCURACY
    assert recorded_identity().record()["objective"] == {"column": "val_accuracy", "mode": "max", "form": "percent"}
    own = recorded_identity(objective=LOSS.record())
    assert (own.objective, Identity.read(own.record(), "run.json")) == (LOSS, own)
    assert recorded_identity().differences(own).keys() == {"objective"}


@pytest.mark.parametrize(
    "damaged",
    ["val_loss", None, [], {}, LOSS.record() | {"mode": "least"}, LOSS.record() | {"form": 1}, LOSS.record() | {"column": 0},
     LOSS.record() | {"more": 1}, {"column": "val_loss", "mode": "min"}],
)  # fmt: skip
def test_another_objective_than_can_be_is_a_damaged_run(damaged):
    with pytest.raises(RunError, match=r"damaged run: run\.json: objective is"):
        Identity.read(IDENTITY | {"objective": damaged}, "run.json")


@pytest.mark.parametrize("value", [None, "0.5", True, math.nan, math.inf])
@pytest.mark.parametrize("objective", [ACCURACY, LOSS])
def test_what_is_no_finite_number_is_no_value(value, objective):
    assert not objective.are_sound([0.5, value])
    assert not objective.are_sound([value, 0.5])


def test_a_fraction_lies_between_0_and_1_and_a_loss_anywhere():
    assert ACCURACY.are_sound([0, 1.0, 0.5])
    assert not ACCURACY.are_sound([1.5])
    assert LOSS.are_sound([1.5, -3])
