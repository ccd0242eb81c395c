"""Ranges read back from run.json: their edges, and what lies beyond, as --set wants it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spaces
from analysis.frame import ranges
from spaces import choice, integers, loguniform, uniform, when
from trainables.config import check_value


@pytest.mark.parametrize("own", [choice(1, 2, 3), uniform(0, 0.6), loguniform(1e-5, 1e-2), integers(1, 4)])
def test_what_a_space_writes_is_read_back(own: Any) -> None:
    found = ranges.parse(str(own))
    assert found is not None
    if found.values:
        assert found.numbers == list(own.bounds())
    else:
        assert (found.low, found.high, found.log, found.whole) == (own.low, own.high, own.log, own.whole)


def test_each_case_of_a_when_is_a_range_of_its_own() -> None:
    own = when("optimizer", sgd=loguniform(1e-2, 1.0), adamw=uniform(0.0, 0.5, step=0.1), muon=0.1)
    found = ranges.parse_searched(str(own))
    assert found is not None
    assert found.decider == "optimizer"
    assert found.cases == {"sgd": ranges.Range(0.01, 1.0, log=True), "adamw": ranges.Range(0.0, 0.5, step=0.1)}
    assert found.of({"optimizer": "sgd"}) == ranges.Range(0.01, 1.0, log=True)
    assert found.of({"optimizer": "muon"}) is None
    assert found.whole == ranges.Range(0.0, 1.0)


@pytest.mark.parametrize("space", [name for name in spaces.names() if not name.startswith("_")])
def test_every_range_of_every_space_is_read(space: str) -> None:
    """And the values that it draws lie in it, in the case that holds."""
    own = spaces.load(space)
    read = {key: ranges.parse_searched(str(value)) for key, value in own.searched.items()}
    for place in (0.01, 0.3, 0.6, 0.99):
        config = own.config(own.at([place] * len(own.axes)))
        for key, found in read.items():
            assert found is not None
            held = found.of(config)
            if held and not held.values:
                assert held.low <= config[key] <= held.high


def test_a_choice_of_numbers_has_places_by_their_order() -> None:
    own = ranges.parse("choice(1, 10, 1000)")
    assert own is not None
    assert [own.position(value) for value in (1, 10, 1000)] == [0, 0.5, 1]
    assert [own.at(place) for place in (0, 1 / 3, 0.5, 1)] == [1, 10, 10, 1000]
    assert not own.is_wide


def test_what_cannot_be_read_is_what_was_tried() -> None:
    many = ranges.tried([10.0**-place for place in range(9)])
    assert many == ranges.Searched({"": ranges.Range(1e-8, 1.0, log=True)})
    assert ranges.tried([1, 2, 2]).cases[""].values == ("1", "2")
    assert ranges.tried(["a", *range(9)]).cases[""].values[0] == "a"


def test_a_number_outside_lies_at_that_end() -> None:
    """Also nothing, of a range that is logarithmic since."""
    own = ranges.Range(0.01, 1.0, log=True)
    assert [own.position(value) for value in (0, -1, 0.1, 7)] == [0, 0, pytest.approx(0.5), 1]
    assert ranges.Range(values=("1", "2", "4")).position(9) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "when(model: mlp=choice(1, 2))",
        "uniform(a, b)",
        "uniform(2, 1)",
        "magic(1, 2)",
        "uniform(0, inf)",
        "loguniform(0, 1)",
    ],
)
def test_what_is_no_range_is_none(text: str) -> None:
    assert ranges.parse(text) is None


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    for each in (text, f"choice({text})", f"uniform({text}, 1)"):
        own = ranges.parse(each)
        ranges.parse_searched(f"when(model: a={each})")
        assert own is None or own.numbers == sorted(own.numbers)


@pytest.mark.parametrize(
    ("key", "text", "value", "side", "proposed"),
    [
        ("lr", "loguniform(1e-05, 0.01)", 0.0095, "upper", "lr=loguniform(1e-05, 0.1)"),
        ("lr", "loguniform(1e-05, 0.01)", 1.1e-5, "lower", "lr=loguniform(1e-06, 0.01)"),
        ("lr", "loguniform(1e-05, 0.01)", 1e-3, "", ""),
        ("width", "choice(256, 512, 1024)", 1024, "upper", "width=choice(256, 512, 1024, 2048)"),
        ("dropout", "choice(0.0, 0.1, 0.2)", 0.2, "upper", "dropout=choice(0.0, 0.1, 0.2, 0.3)"),
        ("dropout", "uniform(0, 0.6)", 0.01, "lower", ""),  # below nothing there is no dropout
        ("depth", "integers(1, 4)", 1, "lower", ""),
        ("depth", "integers(1, 4)", 4, "upper", "depth=integers(1, 6)"),
        ("depth", "integers(1, 4)", 3, "", ""),
        ("depth", "choice(1, 2)", 2, "", ""),  # of two values each is at an end
        ("augment", "choice(none, flip, crop)", "crop", "", ""),
        ("dropout", "uniform(0, 0.5, step=0.1)", 0.5, "upper", "dropout=uniform(0, 0.8, step=0.1)"),
        ("depth", "integers(1, 9, step=2)", 9, "upper", "depth=integers(1, 13, step=2)"),
        ("channels", "choice(16, 32, 64)", 64, "upper", "channels=choice(16, 32, 64, 128)"),  # of a user's own network
        ("rate", "uniform(0.1, 0.3)", 0.1, "lower", ""),  # below zero, which nobody tried
        ("shift", "uniform(-1.0, 1.0)", -1.0, "lower", "shift=uniform(-2, 1)"),
    ],
)
def test_edges_and_what_lies_beyond(key: str, text: str, value: Any, side: str, proposed: str) -> None:
    own = ranges.parse(text)
    assert own is not None
    assert ranges.edge(own, value) == side
    if side:
        assert ranges.wider(key, own, side) == proposed


@given(st.floats(1e-6, 1.0), st.floats(1.5, 1e4), st.booleans(), st.sampled_from(["lower", "upper"]))
def test_a_proposed_range_is_allowed_and_holds_the_old_one(low: float, factor: float, log: bool, side: str) -> None:
    own = ranges.Range(float(f"{low:.4g}"), float(f"{low * factor:.4g}"), log=log)
    if proposed := ranges.wider("lr", own, side):
        new = ranges.parse(proposed.removeprefix("lr="))
        assert new is not None
        assert new.low <= own.low < own.high <= new.high
        check_value("lr", new.low)
        check_value("lr", new.high)
