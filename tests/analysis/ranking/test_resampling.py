"""Intervals and tests by drawing images again: pytest tests/analysis/ranking/test_resampling.py"""

import numpy as np
import pytest

from analysis.ranking import resampling, statistics
from analysis.ranking.resampling import Answers, Units
from trainables.objective import ACCURACY, BALANCED_ACCURACY, MACRO_F1
from trainables.training.class_metrics import measure

LABELS = np.repeat([0, 1, 2], (200, 60, 20))


def network(random, share):
    """Answers that are right with this chance."""
    right = random.random(len(LABELS)) < share
    return Answers(np.where(right, LABELS, (LABELS + random.integers(1, 3, len(LABELS))) % 3), LABELS)


@pytest.mark.parametrize("objective", [ACCURACY, BALANCED_ACCURACY, MACRO_F1])
def test_draws_lie_around_the_value_and_spread_as_it_does(objective):
    random = np.random.default_rng(1)
    found = network(random, 0.8)
    drawn = resampling.values(found, objective, resampling.each(len(LABELS)))
    true = measure(objective.column, LABELS, found.predicted, 3)
    spread = np.std([measure(objective.column, LABELS, network(random, 0.8).predicted, 3) for _ in range(400)])
    assert abs(drawn.mean() - true) < spread / 2
    assert 0.7 < drawn.std() / spread < 1.4
    (low,), (high,) = resampling.intervals(drawn[None], np.array([true]), len(LABELS), (0.0, 1.0))
    assert low < true < high


def test_of_accuracy_the_spread_is_that_of_the_binomial():
    found = network(np.random.default_rng(2), 0.8)
    drawn = resampling.values(found, ACCURACY, resampling.each(len(LABELS)))
    share = float((found.predicted == LABELS).mean())
    assert drawn.std() == pytest.approx((share * (1 - share) / len(LABELS)) ** 0.5, rel=0.12)


@pytest.mark.parametrize("objective", [ACCURACY, BALANCED_ACCURACY, MACRO_F1])
def test_of_equal_networks_about_one_pair_in_twenty_is_called_unlike(objective):
    random, units = np.random.default_rng(3), resampling.each(len(LABELS))
    small = 0
    for _ in range(150):
        pair = [network(random, 0.8) for _ in range(2)]
        drawn = np.array([resampling.values(each, objective, units) for each in pair])
        true = np.array([measure(objective.column, LABELS, each.predicted, 3) for each in pair])
        small += resampling.p_values(drawn, true, units.number)[0, 1] <= statistics.LEVEL
    assert small <= 16  # of a binomial with 5 % more in one of a thousand


def grouped(random, images=10, groups=28):
    """Two networks that are equally good, whose images of a group are all right or all wrong, and the groups."""
    of, labels = np.repeat(np.arange(groups), images), np.zeros(groups * images, int)
    return [Answers(np.repeat(random.random(groups) < 0.3, images).astype(int), labels) for _ in range(2)], Units(of)


def p_value(pair, units):
    drawn = np.array([resampling.values(each, ACCURACY, units) for each in pair])
    true = np.array([float((each.predicted == each.labels).mean()) for each in pair])
    return resampling.p_values(drawn, true, units.number)[0, 1]


def test_images_of_one_group_are_no_independent_ones():
    """Ten frames of a film that are right or wrong together say as much as one: McNemar's test takes them for ten."""
    random, small = np.random.default_rng(4), {"groups": 0, "images": 0}
    for _ in range(100):
        pair, units = grouped(random)
        small["groups"] += p_value(pair, units) <= statistics.LEVEL
        small["images"] += p_value(pair, resampling.each(len(units.of))) <= statistics.LEVEL
    assert small["groups"] <= 12
    assert small["images"] >= 35


def test_the_draws_are_the_same_each_time_and_a_network_equals_itself():
    found, units = network(np.random.default_rng(5), 0.7), resampling.each(len(LABELS))
    first, again = (resampling.values(found, MACRO_F1, units) for _ in range(2))
    assert np.array_equal(first, again)
    assert resampling.p_values(np.array([first, again]), np.ones(2), units.number)[0, 1] == 1


def test_without_a_mistake_there_is_no_interval():
    assert np.isnan(resampling.intervals(np.ones((1, 9)), np.ones(1), 280, (0.0, 1.0))).all()


@pytest.mark.parametrize("groups", [3, 5, 30])
def test_an_interval_by_few_groups_holds_the_truth_as_often_as_it_says(groups):
    """Quantiles of draws would do so in 75 % of cases for three groups."""
    random, held, number = np.random.default_rng(6), 0, 400
    units = Units(np.repeat(np.arange(groups), 10))
    for _ in range(number):
        shares = np.clip(random.normal(0.6, 0.1, groups), 0, 1)
        right = random.random(groups * 10) < np.repeat(shares, 10)
        found = Answers((~right).astype(int), np.zeros(groups * 10, int))
        drawn = resampling.values(found, ACCURACY, units)[None]
        (low,), (high,) = resampling.intervals(drawn, np.array([right.mean()]), groups, (0.0, 1.0))
        held += bool(low <= 0.6 <= high)
    assert held / number > 0.92
