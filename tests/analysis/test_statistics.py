"""Intervals and tests agree with scipy, and do what they promise in simulations."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from analysis import statistics

counts = st.integers(1, 5000).flatmap(lambda images: st.tuples(st.integers(0, images), st.just(images)))


@example((0, 51))
@example((9, 9))
@example((7, 7))
@given(counts)
def test_wilson_is_scipys(count: tuple[int, int]) -> None:
    hits, images = count
    low, high = statistics.wilson(np.array([hits]), images)
    expected = binomtest(hits, images).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low[0] <= hits / images <= high[0] <= 1


def test_wilson_covers_at_its_stated_rate() -> None:
    """Of 4,000 simulated accuracies of 0.97 on 300 images about 95 % of the intervals hold the truth."""
    hits = np.random.default_rng(0).binomial(300, 0.97, 4000)
    low, high = statistics.wilson(hits, 300)
    assert 0.93 < np.mean((low <= 0.97) & (high >= 0.97)) < 0.97


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemar_is_scipys_binomial_test_of_the_discordant_images(wins: int, losses: int) -> None:
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert statistics.mcnemar(wins, losses) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_no_arrangement_beats_the_largest_mcnemar(first: list[bool], dice: object) -> None:
    """The bound that saves reading predictions holds for any two rows of predictions with these counts."""
    second = dice.sample(first, len(first)) if first else []  # type: ignore[attr-defined]
    second[0] = False
    better, worse = np.array(first), np.array(second)
    if better.sum() < worse.sum():
        better, worse = worse, better
    p_value = statistics.mcnemar(int(np.sum(better & ~worse)), int(np.sum(worse & ~better)))
    assert p_value <= statistics.largest_mcnemar(int(better.sum()), int(worse.sum()), len(first)) + 1e-12


@given(counts.flatmap(lambda pair: st.tuples(st.just(pair[0]), st.integers(0, pair[1]), st.just(pair[1]))))
def test_two_proportions_is_the_pooled_z_test(case: tuple[int, int, int]) -> None:
    first, second, images = case
    pooled = (first + second) / (2 * images)
    error = np.sqrt(2 * pooled * (1 - pooled) / images)
    expected = 1.0 if first == second else 2 * norm.sf(abs(first - second) / images / error)
    assert statistics.two_proportions(first, second, images) == pytest.approx(expected, abs=1e-12)


def test_holm_by_hand() -> None:
    adjusted = statistics.holm(np.array([0.04, 0.01, 0.03, 0.5]))
    assert adjusted.tolist() == pytest.approx([0.09, 0.04, 0.09, 0.5])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_lowers_and_keeps_the_order(p_values: list[float]) -> None:
    raw, adjusted = np.array(p_values), statistics.holm(np.array(p_values))
    assert (adjusted >= raw).all()
    assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0).all()
