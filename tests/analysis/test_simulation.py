"""What the words under the leaderboard promise, over many simulated searches: errors are rare, differences are found."""

import numpy as np
import pandas as pd
import pytest

from analysis import comparison, statistics

IMAGES, SEARCHES = 300, 1000
ALLOWED = 0.05 + 3 * (0.05 * 0.95 / SEARCHES) ** 0.5  # a rate of 5 % may look this high by chance


def images_right(dice: np.random.Generator, accuracies: np.ndarray, images: int = IMAGES) -> np.ndarray:
    """Which images each configuration gets right, (rows, images): some images are harder than others, for all."""
    ease = dice.normal(0, 2, images)
    offsets = 4.4 * (accuracies - 0.5) * 2
    return dice.random((len(accuracies), images)) < 1 / (1 + np.exp(-(ease + offsets[:, None])))


def by_images(right: np.ndarray) -> pd.DataFrame:
    """The comparisons of one search with one seed, as compare makes them from predictions."""
    right = right[np.argsort(-right.sum(axis=1), kind="stable")]
    counts, exact = right.sum(axis=1), np.arange(len(right))
    wins = right.astype(int) @ (~right).T.astype(int)
    ranked = pd.DataFrame({"val_accuracy": counts / right.shape[1], "status": "finished", "source": "random"})
    bounds = comparison.Bounds(counts, exact, right.shape[1])
    return comparison.call(
        ranked, exact, statistics.mcnemar(wins, wins.T), np.ones(len(counts)), [None] * len(right), bounds
    )


def by_seeds(values: np.ndarray) -> pd.DataFrame:
    """The comparisons of one search with several seeds; values are (rows, seeds)."""
    values = values[np.argsort(-values.mean(axis=1), kind="stable")]
    ranked = pd.DataFrame({"val_accuracy": values.mean(axis=1), "status": "finished", "source": "random"})
    return comparison.compare_seeds(ranked, values)


def calls_any_worse(ranked: pd.DataFrame) -> bool:
    """Whether any row is said to be worse than any other."""
    return bool((ranked["first_place"] > 1).any())


@pytest.mark.parametrize("number", [3, 8, 20])
def test_of_equal_configurations_none_is_called_worse(number: int) -> None:
    dice = np.random.default_rng(number)
    wrong = sum(calls_any_worse(by_images(images_right(dice, np.full(number, 0.8)))) for _ in range(SEARCHES))
    assert wrong / SEARCHES <= ALLOWED


@pytest.mark.parametrize("number", [3, 8, 20])
def test_of_equal_configurations_none_is_called_worse_over_seeds(number: int) -> None:
    dice = np.random.default_rng(number)
    wrong = 0
    for _ in range(SEARCHES):
        shared = dice.normal(0, 0.01, 5)  # what a seed does to all
        wrong += calls_any_worse(by_seeds(0.8 + shared + dice.normal(0, 0.005, (number, 5))))
    assert wrong / SEARCHES <= ALLOWED


def test_a_comparison_with_the_picked_best_alone_would_not_do() -> None:
    """Why all pairs: the same searches, adjusted for the comparisons with the best only, are wrong too often."""
    dice, wrong = np.random.default_rng(20), 0
    for _ in range(SEARCHES):
        values = dice.normal(0, 0.005, (20, 5))
        best = values[values.mean(axis=1).argmax()]
        others = np.delete(values, values.mean(axis=1).argmax(), axis=0)
        wrong += statistics.holm(statistics.paired_t(best - others)).min() <= statistics.LEVEL
    assert wrong / SEARCHES > ALLOWED


POWER = [  # images, parameter of the better one, how many points that puts it above seven equal ones, power from and to
    (2000, 0.84, 3.0, 0.02, 0.4), (2000, 0.92, 7.5, 0.95, 1.0),
    (5000, 0.82, 1.5, 0.0, 0.25), (5000, 0.83, 2.3, 0.25, 0.7), (5000, 0.84, 3.0, 0.7, 1.0), (5000, 0.86, 4.3, 0.95, 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("images", "parameter", "points", "least", "most"), POWER)
def test_a_truly_better_one_is_found(images: int, parameter: float, points: float, least: float, most: float) -> None:
    """In how many searches it alone is called best; docs/findings.md has the figures."""
    dice, better = np.random.default_rng(0), np.array([parameter, *[0.8] * 7])
    searches = [images_right(dice, better, images) for _ in range(100)]
    ahead = 100 * np.mean([right[0].mean() - right[1:].mean() for right in searches])
    assert ahead == pytest.approx(points, abs=0.2)
    assert least <= np.mean([int(by_images(right)["tied"].sum()) == 1 for right in searches]) <= most


@pytest.mark.parametrize(("gain", "least", "most"), [(0.02, 0.0, 0.2), (0.04, 0.85, 1.0)])
def test_over_five_seeds_only_a_difference_of_many_deviations_is_found(gain: float, least: float, most: float) -> None:
    """The price of pairwise tests with four degrees of freedom; a seed moves a value by 0.005."""
    dice, better = np.random.default_rng(0), 0.8 + np.array([[gain], *[[0.0]] * 7])
    found = [by_seeds(better + dice.normal(0, 0.005, (8, 5)))["tied"].sum() == 1 for _ in range(100)]
    assert least <= np.mean(found) <= most


def test_places_hold_the_true_place() -> None:
    """In 95 % of searches each configuration lies within its range of places, where all true values differ."""
    dice, wrong = np.random.default_rng(5), 0
    truth = np.linspace(0.70, 0.92, 6)
    for _ in range(SEARCHES):
        right = images_right(dice, truth)
        order = np.argsort(-right.sum(axis=1), kind="stable")
        true_places = (len(truth) - np.arange(len(truth)))[order]
        ranked = by_images(right)
        wrong += bool(((ranked["first_place"] > true_places) | (ranked["last_place"] < true_places)).any())
    assert wrong / SEARCHES <= ALLOWED


@pytest.mark.parametrize("number", [2, 3, 5])
def test_intervals_over_seeds_cover_at_their_stated_rate(number: int) -> None:
    values = np.random.default_rng(number).normal(0.9, 0.004, (4000, number))
    low, high = statistics.t_interval(values.mean(axis=1), values.std(axis=1, ddof=1), np.full(4000, number))
    assert 0.935 < np.mean((low <= 0.9) & (high >= 0.9)) < 0.965
