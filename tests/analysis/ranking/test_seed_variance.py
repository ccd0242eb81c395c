"""The spread that a seed gives one configuration apart from the others, against simulated ones."""

import numpy as np
import pytest
from scipy.special import polygamma

from analysis.ranking import seed_variance


@pytest.mark.parametrize("value", [1e-3, 0.1, 1.0, 1.7, 50.0])
def test_inverse_trigamma_inverts(value: float) -> None:
    assert polygamma(1, seed_variance.inverse_trigamma(value)) == pytest.approx(value, rel=1e-6)


def test_what_a_seed_does_to_all_alike_is_left_out() -> None:
    values = np.random.default_rng(0).normal(0, 0.01, (6, 4))
    shift = np.array([0.1, -0.2, 0.0, 0.3])
    first, second = seed_variance.apart(values), seed_variance.apart(values + shift)
    assert first[0] == pytest.approx(second[0])
    assert first[1] == pytest.approx(second[1])


def test_equal_spreads_are_found_to_be_one() -> None:
    """The mean over many draws is the true variance, and most of the degrees of freedom are used."""
    dice = np.random.default_rng(0)
    found = [seed_variance.apart(dice.normal(0, 2, (20, 3))) for _ in range(200)]
    assert np.mean([variances.mean() for variances, _ in found]) == pytest.approx(4, rel=0.1)
    assert np.median([freedom for _, freedom in found]) == 38


def test_a_configuration_that_is_much_less_steady_keeps_its_own_spread() -> None:
    deviations = np.repeat([0.1, 5.0], 10)[:, None]
    variances, freedom = seed_variance.apart(np.random.default_rng(1).normal(0, deviations, (20, 5)))
    assert variances[10:].min() > variances[:10].max()
    assert variances[10:].mean() > 4 * variances[:10].mean()
    assert 4 < freedom < 12


@pytest.mark.parametrize("rows", [2, 3])
def test_values_that_never_move_have_no_spread(rows: int) -> None:
    variances, freedom = seed_variance.apart(np.full((rows, 3), 0.5))
    assert variances.tolist() == [0.0] * rows
    assert freedom == 2 * (rows - 1)
