"""The kinds of range: pytest tests/spaces/test_ranges.py"""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces import choice, integers, linked, logintegers, loguniform, uniform, when
from trainables.errors import SpaceError

ranges = st.one_of(
    st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)).map(lambda pair: uniform(pair[0], pair[0] + pair[1])),
    st.tuples(st.floats(1e-9, 1e3), st.floats(1.01, 1e6)).map(lambda pair: loguniform(pair[0], pair[0] * pair[1])),
    st.tuples(st.integers(-1000, 1000), st.integers(1, 1000)).map(lambda pair: integers(pair[0], pair[0] + pair[1])),
    st.tuples(st.integers(1, 1000), st.integers(1, 1000)).map(lambda pair: logintegers(pair[0], pair[0] + pair[1])),
    st.tuples(st.floats(-100, 100), st.floats(0.01, 10), st.integers(1, 50)).map(
        lambda given: uniform(given[0], given[0] + given[2] * given[1], step=given[1])
    ),
    st.tuples(st.integers(-100, 100), st.integers(1, 10), st.integers(1, 50)).map(
        lambda given: integers(given[0], given[0] + given[2] * given[1], step=given[1])
    ),
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


@given(ranges)
def test_what_a_range_lists_lies_in_it_and_is_what_it_draws(range_):
    listed = range_.listed()
    if listed is not None:
        assert len(set(listed)) == len(listed)
        assert all(value in range_ for value in listed)
        assert [range_.at((place + 0.5) / len(listed)) for place in range(len(listed))] == list(listed)


def test_steps_are_equally_likely_and_look_like_what_was_meant():
    assert uniform(0.1, 0.5, step=0.1).listed() == (0.1, 0.2, 0.3, 0.4, 0.5)
    drawn = Counter(uniform(0.1, 0.5, step=0.1).at((i + 0.5) / 100) for i in range(100))
    assert drawn == dict.fromkeys((0.1, 0.2, 0.3, 0.4, 0.5), 20)
    assert 0.25 not in uniform(0.1, 0.5, step=0.1)
    assert 16 in integers(8, 32, step=8)
    assert 12 not in integers(8, 32, step=8)


def test_logarithmic_whole_numbers_give_each_doubling_its_share():
    drawn = [logintegers(8, 512).at((i + 0.5) / 3000) for i in range(3000)]
    assert all(isinstance(value, int) for value in drawn)
    assert sum(value <= 64 for value in drawn) == pytest.approx(1500, abs=60)


@pytest.mark.parametrize(
    ("low", "high", "shares"),
    [
        (1, 16, {(1, 1): 0.31, (2, 3): 0.24, (4, 7): 0.22, (8, 15): 0.21, (16, 16): 0.02}),  # as the docstring says
        (64, 1024, {(64, 127): 0.25, (128, 255): 0.25, (256, 511): 0.25, (512, 1023): 0.25}),
    ],
)
def test_small_logarithmic_whole_numbers_get_more_than_their_doubling(low, high, shares):
    drawn = [logintegers(low, high).at((i + 0.5) / 10_000) for i in range(10_000)]
    for (least, most), share in shares.items():
        assert np.mean([least <= value <= most for value in drawn]) == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize(
    ("own", "parts"),
    [
        (loguniform(1e-4, 1e-1), [(1e-4, 1e-3), (1e-3, 1e-2), (1e-2, 1e-1)]),  # each decade
        (integers(1, 5), [(number - 0.5, number + 0.5) for number in range(1, 6)]),
        (uniform(2, 4), [(2, 2.5), (2.5, 3), (3, 3.5), (3.5, 4)]),
        (choice(1, 3, 9), [(0, 2), (2, 4), (4, 10)]),
    ],
    ids=str,
)
def test_other_ranges_are_as_even_as_they_say(own, parts):
    drawn = [own.at((i + 0.5) / 6_000) for i in range(6_000)]
    shares = [np.mean([low <= value < high for value in drawn]) for low, high in parts]
    assert shares == pytest.approx([1 / len(parts)] * len(parts), abs=0.002)


def test_linked_values_lie_at_the_same_place():
    columns = linked(batch_size=(64, 128, 256), lr=(0.1, 0.2, 0.2))
    assert [[column.at(u) for column in columns.values()] for u in (0.1, 0.5, 0.9)] == [
        [64, 0.1],
        [128, 0.2],
        [256, 0.2],
    ]


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: uniform(0, 1, step=-0.1), "above 0"),
        (lambda: uniform(0, 1, step=2), "at most high - low"),
        (lambda: uniform(0, 1, step=float("nan")), "number"),
        (lambda: uniform(0, 1, step="a"), "number"),
        (lambda: integers(0, 4, step=0.5), "whole number"),
        (lambda: integers(0, 4, step=3), "does not lead"),
        (lambda: logintegers(0, 4), "above 0"),
        (lambda: logintegers(1.5, 4), "whole numbers"),
        (lambda: linked(lr=(0.1,)), "two or more"),
        (lambda: linked(lr=(0.1,), batch_size=()), "equally many"),
        (lambda: linked(lr=(), batch_size=()), "at least one"),
        (lambda: linked(lr=(0.1, 0.1), batch_size=(64, 64)), "twice"),
        (lambda: when("model"), "no case"),
        (lambda: when("model", mlp=when("model", mlp=1)), "neither"),
    ],
)
def test_a_range_that_cannot_be_meant_is_refused(make, what):
    with pytest.raises(SpaceError, match=what):
        make()
