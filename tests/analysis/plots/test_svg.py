"""The drawing: the same values give the same bytes, in any order of drawing, and the whole picture is well-formed."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import matplotlib
import pytest

from analysis.plots import svg
from analysis.plots.curves import Curve, Curves, axis_of
from trainables.objective import ACCURACY


def curve(*values: float, status: str = "finished", label: str = "") -> Curve:
    return {"label": label, "status": status, "points": list(enumerate(values, 1))}


def curves(*top: Curve, others: tuple[Curve, ...] = (), number: int | None = None) -> Curves:
    count = len(others) if number is None else number
    return {"top": list(top), "others": list(others), "number_of_others": count, "axis": axis_of(ACCURACY)}


FULL = curves(
    curve(50, 60, 70, label="1 · a · $x_1$"),
    curve(40, 65, 69, label="2 · b"),
    others=(curve(30, status="stopped"), curve(20, 30, 40)),
)


def test_the_same_curves_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was drawn before, and whatever the user's matplotlib is set to."""
    first = svg.learning_curves(FULL)
    svg.learning_curves(curves(curve(10, 20, label="x")))
    monkeypatch.setitem(matplotlib.rcParams, "axes.linewidth", 30)
    assert svg.learning_curves(FULL) == first


def test_the_user_keeps_his_settings() -> None:
    before = dict(matplotlib.rcParams)
    svg.learning_curves(FULL)
    assert dict(matplotlib.rcParams) == before


def test_the_picture_is_well_formed_without_date_and_background() -> None:
    text = svg.learning_curves(FULL).decode()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "<dc:date>" not in text
    assert "matplotlib.org" not in text
    assert "fill: #ffffff" not in text


@pytest.mark.parametrize(
    "shown",
    [
        curves(curve(50, label="one epoch")),
        curves(curve(0, 0, 0, label="nothing learnt")),
        curves(curve(100, 100, label="perfect")),
        curves(curve(50, 60, label="$\\nonsense{$ _ & < \u4e2d"), others=(curve(1),), number=1000),
    ],
    ids=["one epoch", "zero", "perfect", "odd names"],
)
def test_extreme_curves_can_be_drawn(shown: Curves, recwarn: Any) -> None:
    ElementTree.fromstring(svg.learning_curves(shown))
    assert [str(warning.message) for warning in recwarn if "Glyph" not in str(warning.message)] == []


def test_limits_show_the_late_differences() -> None:
    low, high = svg.limits(curves(curve(10, 90, 95, 97, 98, 98, 98, 99)))
    assert 90 < low < 95
    assert 99 < high <= 100.5


def test_limits_show_the_beginning_where_trials_were_stopped() -> None:
    low, _ = svg.limits(curves(curve(10, 90, 95, 97), others=(curve(5, status="stopped"),)))
    assert low < 10
