"""The kinds of range: pytest tests/spaces/test_ranges.py"""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces import choice, integers, loguniform, uniform

ranges = st.one_of(
    st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)).map(lambda pair: uniform(pair[0], pair[0] + pair[1])),
    st.tuples(st.floats(1e-9, 1e3), st.floats(1.01, 1e6)).map(lambda pair: loguniform(pair[0], pair[0] * pair[1])),
    st.tuples(st.integers(-1000, 1000), st.integers(1, 1000)).map(lambda pair: integers(pair[0], pair[0] + pair[1])),
    st.lists(st.integers(), min_size=1, unique=True).map(lambda values: choice(*values)),
)
positions = st.floats(0, 1, exclude_max=True)


@given(ranges, positions)
def test_every_drawn_value_lies_in_its_range(range_, u):
    assert range_.at(u) in range_


@given(st.integers(1, 6), st.integers(1, 20))
def test_whole_numbers_are_equally_likely_both_ends_included(low, count):
    drawn = Counter(integers(low, low + count).at((i + 0.5) / (100 * (count + 1))) for i in range(100 * (count + 1)))
    assert set(drawn) == set(range(low, low + count + 1))
    assert max(drawn.values()) - min(drawn.values()) <= 2


def test_a_logarithmic_range_gives_each_decade_its_share():
    drawn = [loguniform(1e-4, 1.0).at((i + 0.5) / 1000) for i in range(1000)]
    assert sum(value < 1e-2 for value in drawn) == pytest.approx(500, abs=2)


def test_choices_are_equally_likely():
    assert Counter(choice("a", "b").at(i / 100) for i in range(100)) == {"a": 50, "b": 50}
