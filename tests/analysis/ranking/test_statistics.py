"""Intervals and tests agree with scipy, and do what they promise in simulations."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, t, ttest_rel

from analysis.ranking import statistics

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


def test_holm_over_a_part_of_the_comparisons_is_holm_over_all() -> None:
    """Others that are clear, and others that show nothing, change no adjusted value that matters."""
    p_values = np.array([1e-9, 0.005, 0.006, 0.02, 0.3])
    everything = np.concatenate([p_values, np.full(4, 1e-12), np.ones(3)])
    assert statistics.holm(p_values, others=7, clear=4)[1:] == pytest.approx(statistics.holm(everything)[1:5])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(0, 12))
def test_holm_over_a_part_rejects_what_holm_over_all_rejects(p_values: list[float], number: int) -> None:
    everything = np.array(p_values)
    part, others = everything[number:], everything[:number]
    clear = int((others <= statistics.LEVEL / len(everything)).sum())
    careful = statistics.holm(part, len(others), clear)
    assert (careful >= statistics.holm(everything)[number:] - 1e-12)[careful <= statistics.LEVEL].all()


def test_paired_t_is_scipys() -> None:
    first, second = np.random.default_rng(0).normal(0.9, 0.01, (2, 7, 5))
    assert statistics.paired_t(first - second) == pytest.approx(ttest_rel(first, second, axis=1).pvalue)


@pytest.mark.parametrize("differences", [[[0.0, 0.0, 0.0]], [[0.25, 0.25, 0.25]], [[0.5]]])
def test_differences_without_spread_prove_nothing(differences: list[list[float]]) -> None:
    assert statistics.paired_t(np.array(differences)).tolist() == [1.0]


def test_the_interval_of_a_mean_is_scipys() -> None:
    values = np.random.default_rng(1).normal(0.9, 0.01, 4)
    low, high = statistics.t_interval(values.mean(), values.std(ddof=1), np.array(4))
    expected = t.interval(0.95, 3, values.mean(), values.std(ddof=1) / 2)
    assert (low, high) == pytest.approx(expected)
    assert np.isnan(statistics.t_interval(np.array([0.5]), np.array([np.nan]), np.array([1]))).all()


@pytest.mark.parametrize(("number", "expected"), [(1, 0.0), (2, 1 / np.sqrt(np.pi)), (3, 1.5 / np.sqrt(np.pi))])
def test_the_expected_best_is_known_for_few(number: int, expected: float) -> None:
    assert statistics.expected_maximum(number) == pytest.approx(expected, abs=1e-9)


def test_the_expected_best_of_many_is_the_mean_of_simulated_ones() -> None:
    best = np.random.default_rng(0).normal(size=(20_000, 64)).max(axis=1)
    assert statistics.expected_maximum(64) == pytest.approx(best.mean(), abs=4 * best.std() / 20_000**0.5)


def test_a_steady_lead_is_judged_by_the_step_of_the_values():
    """Thirty points on each of three seeds are no tie; one image on each of two may be chance."""
    values = np.array([[0.90, 0.94, 0.92], [0.60, 0.64, 0.62]])
    assert statistics.step(values) == pytest.approx(0.02)
    assert statistics.paired_t(values[:1] - values[1:], statistics.step(values))[0] < 0.01
    close = np.array([[0.51, 0.52], [0.50, 0.51]])
    assert statistics.paired_t(close[:1] - close[1:], statistics.step(close))[0] > 0.3
    assert statistics.step(np.full((2, 3), 0.5)) == 0.0
