"""Quasi-random points: pytest tests/search/algorithms/test_qmc.py"""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.algorithms.qmc import halton, primes


@given(st.integers(0, 2**31), st.integers(0, 10**6), st.integers(1, 12))
def test_every_point_lies_in_the_unit_cube_and_more_dimensions_leave_the_first_as_they_were(seed, index, dimensions):
    point = halton(seed, index, dimensions)
    assert all(0 <= u < 1 for u in point)
    assert halton(seed, index, dimensions + 1)[:dimensions] == point


def test_another_seed_is_another_sequence():
    assert halton(0, 5, 3) != halton(1, 5, 3)


@pytest.mark.parametrize("seed", range(5))
def test_each_power_of_a_base_in_a_row_fills_its_boxes_once(seed):
    """Any 8 = 2^3 points in a row lie in different eighths of the first dimension, any 9 in different ninths of the second."""
    for start in (0, 3, 100):
        points = [halton(seed, start + i, 2) for i in range(9)]
        assert sorted(int(8 * point[0]) for point in points[:8]) == list(range(8))
        assert sorted(int(9 * point[1]) for point in points) == list(range(9))


def test_the_cube_is_filled_more_evenly_than_at_random():
    """The largest empty interval around the middles of the two dimensions, over 64 points, as a median of seeds."""

    def roughness(points):
        counts = [
            sum(int(4 * x) == i and int(4 * y) == j for x, y in points)
            for i, j in itertools.product(range(4), repeat=2)
        ]
        return sum((count - 4) ** 2 for count in counts)

    even = sorted(roughness([halton(seed, i, 2) for i in range(64)]) for seed in range(9))[4]
    dice = random.Random(0)
    rough = sorted(roughness([(dice.random(), dice.random()) for _ in range(64)]) for _ in range(9))[4]
    assert even < rough / 2


def test_the_bases_are_the_primes():
    assert list(itertools.islice(primes(), 8)) == [2, 3, 5, 7, 11, 13, 17, 19]
