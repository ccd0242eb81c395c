"""The expected best of n trials against all subsets, and its band against distributions whose truth is known."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.diagnostics import best_of_n

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(VALUES, st.data())
def test_it_is_the_mean_over_all_subsets(values: list[float], data: st.DataObject) -> None:
    draws = data.draw(st.integers(1, len(values)))
    truth = np.mean([max(subset) for subset in itertools.combinations(values, draws)])
    assert best_of_n.expected_best(np.array(values), draws) == pytest.approx(truth, abs=1e-9)


@given(VALUES)
def test_one_draw_is_the_mean_and_all_draws_the_best(values: list[float]) -> None:
    array = np.array(values)
    assert best_of_n.expected_best(array, 1) == pytest.approx(array.mean(), abs=1e-9)
    assert best_of_n.expected_best(array, len(values)) == pytest.approx(array.max(), abs=1e-9)


@given(VALUES, st.integers(1, 50))
def test_the_band_lies_in_order_and_between_zero_and_one(values: list[float], draws: int) -> None:
    low, high = best_of_n.band(np.array(values), draws)
    assert -1e-9 <= low <= high <= 1 + 1e-9


def test_ten_thousand_values_are_no_overflow() -> None:
    values = np.linspace(0, 1, 10_000)
    assert best_of_n.expected_best(values, 5_000) == pytest.approx(5_000 / 5_001, abs=1e-3)


@pytest.mark.parametrize("power", [1.0, 0.2])
def test_the_band_holds_for_all_draws_at_once_in_at_least_95_percent(power: float) -> None:
    """Values are powers of a uniform number, whose expected best of n is n / (n + power)."""
    random = np.random.default_rng(0)
    kept = 0
    for _ in range(500):
        values = random.random(20) ** power
        bands = [best_of_n.band(values, draws) for draws in range(1, 21)]
        kept += all(low <= n / (n + power) <= high for n, (low, high) in enumerate(bands, 1))
    assert kept >= 0.95 * 500


def test_with_a_first_trial_the_band_still_holds_and_is_never_below_it() -> None:
    """The best of 0.7 and of n uniform numbers is expected to be 1 minus the integral of x ** n from 0.7 to 1."""
    random, kept, first = np.random.default_rng(0), 0, 0.7
    truth = {n: 1 - (1 - first ** (n + 1)) / (n + 1) for n in range(1, 16)}
    for _ in range(300):
        values = np.maximum(random.random(15), first)
        bands = {n: best_of_n.band(values, n, first) for n in truth}
        assert all(low >= first - 1e-12 for low, _ in bands.values())
        kept += all(low <= truth[n] <= high for n, (low, high) in bands.items())
    assert kept >= 0.95 * 300


def test_best_so_far_counts_what_was_paid() -> None:
    values, costs = np.array([0.2, 0.9, 0.5]), np.array([3, 1, 1])
    found = [best_of_n.best_so_far(values, costs, budget) for budget in (2, 3, 4, 99)]
    assert found == [None, 0.2, 0.9, 0.9]
