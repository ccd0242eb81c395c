"""What the words under the leaderboard promise, over many simulated searches: errors are rare, differences are found.

A configuration is what it is over all seeds; a seed makes a network of it; a network is right on some of the images drawn.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr, ndtri

from analysis.ranking import best_interval, comparison, seed_variance, statistics

pytestmark = pytest.mark.slow

IMAGES, SEARCHES = 300, 1000
SLOPE = 1.25  # by how much the parameter of `images_right` changes for a change of accuracy, near 0.8
ALLOWED = 0.05 + 3 * (0.05 * 0.95 / SEARCHES) ** 0.5  # a rate of 5 % may look this high by chance


def images_right(dice: np.random.Generator, accuracies: np.ndarray, images: int = IMAGES) -> np.ndarray:
    """Which images each configuration gets right, (rows, images): some images are harder than others, for all."""
    ease = dice.normal(0, 2, images)
    offsets = 4.4 * (accuracies - 0.5) * 2
    return dice.random((len(accuracies), images)) < 1 / (1 + np.exp(-(ease + offsets[:, None])))


def by_images(right: np.ndarray, moved: tuple[float, float] | None = None) -> pd.DataFrame:
    """The comparisons of one search with one seed, as compare (or allow_for_seeds) makes them from predictions."""
    right = right[np.argsort(-right.sum(axis=1), kind="stable")]
    counts, exact = right.sum(axis=1), np.arange(len(right))
    wins = right.astype(int) @ (~right).T.astype(int)
    ranked = pd.DataFrame({"val_accuracy": counts / right.shape[1], "status": "finished", "source": "random"})
    if moved:
        raw = statistics.on_other_seeds(wins, wins.T, right.shape[1], *moved)
        return comparison.call(ranked, exact, raw, raw[0], np.full(len(right), comparison.ALLOWING, dtype=object))
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
def test_of_equal_networks_none_is_called_worse(number: int) -> None:
    dice = np.random.default_rng(number)
    wrong = sum(calls_any_worse(by_images(images_right(dice, np.full(number, 0.8)))) for _ in range(SEARCHES))
    assert wrong / SEARCHES <= ALLOWED


@pytest.mark.parametrize(("deviation", "least", "most"), [(0.003, 0.05, 0.4), (0.005, 0.25, 0.7), (0.01, 0.8, 1.0)])
def test_of_equal_configurations_on_one_seed_the_networks_differ(deviation: float, least: float, most: float) -> None:
    """Why tests over images are said to be of trained networks: eight of one configuration are told apart, as they should."""
    dice, told = np.random.default_rng(8), 0
    for _ in range(100):
        networks = 0.8 + dice.normal(0, deviation, 8) * SLOPE
        told += calls_any_worse(by_images(images_right(dice, networks, 5000)))
    assert least <= told / 100 <= most


@pytest.mark.parametrize("number", [3, 8, 20])
def test_of_equal_configurations_none_is_called_worse_over_seeds(number: int) -> None:
    dice = np.random.default_rng(number)
    wrong = 0
    for _ in range(SEARCHES):
        shared = dice.normal(0, 0.01, 5)  # what a seed does to all
        wrong += calls_any_worse(by_seeds(0.8 + shared + dice.normal(0, 0.005, (number, 5))))
    assert wrong / SEARCHES <= ALLOWED


@pytest.mark.parametrize("deviation", [0.0, 0.005, 0.02])
def test_of_equal_configurations_none_is_called_worse_on_one_seed_where_others_showed_its_spread(
    deviation: float,
) -> None:
    """Four configurations on three fresh seeds each tell how far a seed moves one; the test on one seed allows for it."""
    dice, wrong, searches = np.random.default_rng(4), 0, 150
    for _ in range(searches):
        networks = 0.8 + dice.normal(0, deviation, (8, 4)) * SLOPE
        right = images_right(dice, networks.ravel(), 2000).reshape(8, 4, 2000)
        moved = seed_variance.average(right[:4, 1:].mean(axis=2))
        wrong += calls_any_worse(by_images(right[:, 0], moved))
    assert wrong / searches <= 0.05 + 3 * (0.05 * 0.95 / searches) ** 0.5


def test_of_equal_configurations_none_is_called_worse_over_seeds_of_networks_on_images() -> None:
    """The same with every network measured on the same images, as a search does it."""
    dice, wrong, searches = np.random.default_rng(3), 0, 150
    for _ in range(searches):
        networks = 0.8 + dice.normal(0, 0.01, (8, 3)) * SLOPE
        right = images_right(dice, networks.ravel()).mean(axis=1).reshape(8, 3)
        wrong += calls_any_worse(by_seeds(right))
    assert wrong / searches <= 0.05 + 3 * (0.05 * 0.95 / searches) ** 0.5


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


def test_places_of_networks_hold_their_true_place() -> None:
    """For 95 % of the images that could be drawn each network lies within its range of places, where all true values differ."""
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


# The interval of the best: it covers in 95 % of searches, although the best was picked ------------------------------------


def of_the_best(counts: np.ndarray, images: int) -> tuple[int, tuple[float, float]]:
    """Which network of (trials, epochs) is picked, and its interval."""
    flat, epochs = int(counts.argmax()), counts.shape[1]
    others = np.delete(counts, flat // epochs, axis=0)
    lead = float(counts.max() - others.max())
    return flat, best_interval.of_images(int(counts.max()), images, counts.size, epochs, lead)


def covered(
    accuracies: np.ndarray, images: int, searches: int, epochs_alike: float = 0.6
) -> tuple[float, float, float]:
    """How often the interval of the best holds its accuracy, how often Wilson's does, and how many times as wide it is.

    Args:
        accuracies: true ones, (trials, epochs).
        epochs_alike: share of the luck of a trial with an image that its epochs have in common.
    """
    dice, hold = np.random.default_rng(len(accuracies)), []
    passed = ndtri(accuracies)[..., None] * 5**0.5  # images differ twice as much as a network's luck with one
    for _ in range(searches):
        luck = dice.normal(size=(*accuracies.shape[:1], 1, images)) * epochs_alike**0.5
        luck = luck + dice.normal(size=(*accuracies.shape, images)) * (1 - epochs_alike) ** 0.5
        counts = (luck < passed + dice.normal(0, 2, images)).sum(axis=2)
        flat, (low, high) = of_the_best(counts, images)
        truth, plain = accuracies.ravel()[flat], statistics.wilson(counts.ravel()[flat], images)
        hold.append((low <= truth <= high, plain[0] <= truth <= plain[1], (high - low) / (plain[1] - plain[0])))
    own, wilsons, width = np.mean(hold, axis=0)
    return float(own), float(wilsons), float(width)


def fall(number: int, epochs: int, accuracy: float, step: float) -> np.ndarray:
    """The first trial at `accuracy`, the others evenly down to `step` below; each rises to its end by twice a standard error."""
    rise = np.linspace(2 * (accuracy * (1 - accuracy) / IMAGES) ** 0.5, 0, epochs) if epochs > 1 else np.zeros(1)
    return accuracy - np.linspace(0, step, number)[:, None] - rise


BEST = [  # trials, epochs, searches; how far the last trial lies below the first
    (3, 1, 1000, 0.0), (30, 1, 400, 0.0), (300, 1, 60, 0.0), (3, 8, 300, 0.0), (30, 8, 50, 0.0),
    (3, 1, 1000, 0.1), (30, 1, 400, 0.3), (300, 1, 60, 0.5), (3, 8, 300, 0.1),
]  # fmt: skip


@pytest.mark.parametrize(("number", "epochs", "searches", "step"), BEST)
def test_the_interval_of_the_best_network_covers_it(number: int, epochs: int, searches: int, step: float) -> None:
    own, wilsons, width = covered(fall(number, epochs, 0.8, step), IMAGES, searches)
    assert own >= 0.94 - (0.06 * 0.94 / searches) ** 0.5
    assert own >= wilsons
    assert width <= 1.75  # docs/findings.md has the figures


def test_the_interval_of_the_best_network_covers_it_where_others_were_stopped_early() -> None:
    """Half of the trials are stopped after one epoch of three, by what they had reached; all count as candidates."""
    dice, truth, number = np.random.default_rng(2), ndtri(fall(20, 3, 0.8, 0.0)) * 5**0.5, 300
    hold = []
    for _ in range(number):
        luck = dice.normal(size=(20, 1, IMAGES)) * 0.8 + dice.normal(size=(20, 3, IMAGES)) * 0.6
        counts = (luck < truth[..., None] + dice.normal(0, 2, IMAGES)).sum(axis=2)
        counts[np.argsort(counts[:, 0])[:10]] = 0
        low, high = best_interval.of_images(int(counts.max()), IMAGES, 60, 3, None)
        hold.append(low <= ndtr(truth.ravel()[counts.argmax()] / 5**0.5) <= high)
    assert np.mean(hold) >= 0.95


def test_wilsons_interval_of_the_best_of_many_equal_ones_does_not_cover_it() -> None:
    own, wilsons, _ = covered(np.full((64, 1), 0.8), IMAGES, 150)
    assert own >= 0.97
    assert wilsons < 0.8


@pytest.mark.parametrize(
    ("number", "epochs", "most"), [(3, 1, 1.15), (30, 1, 1.15), (300, 1, 1.2), (3, 8, 1.35), (30, 8, 1.35)]
)
def test_where_the_best_is_clear_its_interval_is_hardly_wider(number: int, epochs: int, most: float) -> None:
    """Twenty points ahead of equal ones, which is eight standard errors."""
    accuracies = fall(number, epochs, 0.8, 0.0)
    accuracies[1:] -= 0.2
    own, _, width = covered(accuracies, IMAGES, 60)
    assert own >= 0.9
    assert width <= most


SEEDS = [  # configurations, seeds, searches, what a seed does to all (its effect on one is 1), how far the last lies below
    (4, 5, 1500, 0.0, 0.0), (6, 3, 1500, 0.0, 0.0), (6, 5, 1500, 0.0, 0.0), (6, 5, 1500, 2.0, 0.0), (6, 5, 1500, 0.0, 4.0),
    (3, 3, 1500, 0.0, 0.0), (30, 3, 800, 0.0, 0.0), (30, 3, 800, 2.0, 6.0), (300, 3, 300, 0.0, 0.0), (300, 3, 300, 2.0, 6.0),
]  # fmt: skip


def covered_by_seeds(
    number: int, seeds: int, searches: int, shared: float, deviations: np.ndarray, step: float
) -> np.ndarray:
    """How often the interval of the best holds its mean, how often Student's does, and how many times as wide it is."""
    dice, truth, hold = np.random.default_rng(number + seeds), np.linspace(0, -step, number) / 1000, []
    for _ in range(searches):
        values = (
            0.8
            + truth[:, None]
            + (shared * dice.normal(size=seeds) + deviations * dice.normal(size=(number, seeds))) / 1000
        )
        order = np.argsort(-values.mean(axis=1), kind="stable")
        low, high = best_interval.of_seeds(values[order], number)
        best, of_best = 0.8 + truth[order[0]], values[order[0]]
        plain = statistics.t_interval(of_best.mean(), of_best.std(ddof=1), np.array(seeds))
        hold.append((low <= best <= high, plain[0] <= best <= plain[1], high - low, plain[1] - plain[0]))
    own, students, width, plain_width = np.mean(hold, axis=0)
    return np.array([own, students, width / plain_width])


@pytest.mark.parametrize(("number", "seeds", "searches", "shared", "step"), SEEDS)
def test_the_interval_of_the_best_over_seeds_covers_it(
    number: int, seeds: int, searches: int, shared: float, step: float
) -> None:
    own, _, width = covered_by_seeds(number, seeds, searches, shared, np.ones((number, 1)), step)
    assert own >= 0.94
    assert width <= 1.3


def test_students_interval_of_the_best_over_seeds_covers_it_less_than_it_says() -> None:
    _, students, _ = covered_by_seeds(6, 5, 1500, 0.0, np.ones((6, 1)), 0.0)
    assert students < 0.91


def test_a_third_of_configurations_that_are_three_times_less_steady_cost_little_coverage() -> None:
    """The moderated spread is exact where spreads are drawn from one distribution; two groups are the hard case."""
    deviations = np.where(np.arange(30) % 3, 1.0, 3.0)[:, None]
    own, students, _ = covered_by_seeds(30, 3, 1500, 0.0, deviations, 0.0)
    assert own >= 0.92
    assert students < 0.88


def in_folds(dice: np.random.Generator, images: int, features: int, folds: int) -> np.ndarray:
    """The accuracy of two equally good classifiers, each on features of its own, in each fold: (2, folds)."""
    labels, of = dice.choice([-1, 1], images), dice.permutation(np.arange(images) % folds)
    signal = 0.7 * labels[:, None] / features**0.5
    right = np.zeros((2, images), bool)
    for own in right:
        seen = dice.normal(size=(images, features)) + signal
        for fold in range(folds):
            rest = seen[of != fold]
            weights = np.linalg.solve(rest.T @ rest + 0.1 * np.eye(features), rest.T @ labels[of != fold])
            own[of == fold] = np.sign(seen[of == fold] @ weights) == labels[of == fold]
    return np.array([right[:, of == fold].mean(axis=1) for fold in range(folds)]).T


def test_the_corrected_test_holds_its_level_in_folds_and_the_plain_one_does_not() -> None:
    """Trainings on folds share most of their images, so that the plain t-test sees too little spread."""
    dice = np.random.default_rng(1)
    differences = np.array([np.subtract(*in_folds(dice, 100, 60, 5)) for _ in range(600)])
    plain = (statistics.paired_t(differences) <= 0.05).mean()
    corrected = (statistics.paired_t(differences, wide=statistics.of_folds(5, 5)) <= 0.05).mean()
    assert corrected <= 0.05
    assert plain > 0.065
