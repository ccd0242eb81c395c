"""What the plot of the learning curves shows, the best by name and a sample of the rest; and its drawing.

The same values give the same bytes, in any order of drawing, and the whole picture is well-formed.
"""

import dataclasses
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.plots import drawing_process, learning_curves, values
from analysis.plots.learning_curves import Curve, Curves
from analysis.plots.values import axis_of
from analysis.ranking.standing import stand
from search.run.ledger import Run, Trial
from trainables.objective import ACCURACY

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]


def drawn(curves: Curves) -> bytes:
    return drawing_process.draw("learning_curves", curves)


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
    first = drawn(FULL)
    drawn(curves(curve(10, 20, label="x")))
    monkeypatch.setitem(matplotlib.rcParams, "axes.linewidth", 30)
    assert drawn(FULL) == first


def test_the_user_keeps_his_settings() -> None:
    before = dict(matplotlib.rcParams)
    drawn(FULL)
    assert dict(matplotlib.rcParams) == before


def test_the_picture_is_well_formed_without_date_and_background() -> None:
    text = drawn(FULL).decode()
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
    ElementTree.fromstring(drawn(shown))
    assert [str(warning.message) for warning in recwarn if "Glyph" not in str(warning.message)] == []


def test_limits_show_the_late_differences() -> None:
    low, high = learning_curves.limits(curves(curve(10, 90, 95, 97, 98, 98, 98, 99)))
    assert 90 < low < 95
    assert 99 < high <= 100.5


def test_limits_show_the_beginning_where_trials_were_stopped() -> None:
    low, _ = learning_curves.limits(curves(curve(10, 90, 95, 97), others=(curve(5, status="stopped"),)))
    assert low < 10


def shown_of(run: Run, keys: list[str]) -> Curves:
    found = learning_curves.picture(run, dataclasses.replace(stand(run), keys=keys))
    assert found is not None
    return found


def test_the_best_have_names_and_the_others_do_not(trial: Make, run: MakeRun) -> None:
    found = run([trial(index, (index / 20, index / 10), lr=10.0**-index) for index in range(10)])
    shown = shown_of(found, ["lr"])
    assert [curve["label"].split(" · ")[2:] for curve in shown["top"]][:2] == [
        ["90.00 %", "lr 1.0e-9"],
        ["80.00 %", "lr 1.0e-8"],
    ]
    assert shown["top"][0]["points"] == [(1, 45.0), (2, 90.0)]
    assert (len(shown["top"]), len(shown["others"]), shown["number_of_others"]) == (6, 4, 4)
    json.dumps(shown, allow_nan=False)


def test_trials_without_epochs_have_no_curve(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, (0.5,)), trial(1, (), "planned")])
    assert len(shown_of(found, [])["top"]) == 1


@given(st.integers(0, 500), st.integers(2, 20))
def test_spread_keeps_the_ends_and_the_order(number: int, most: int) -> None:
    rows = list(range(number))
    chosen = values.spread(rows, most)
    assert len(chosen) == min(number, most)
    assert chosen == sorted(set(chosen))
    assert chosen[:1] == rows[:1]
    assert chosen[-1:] == rows[-1:]


@pytest.mark.parametrize("length", [3, 60])
def test_labels_are_cut(trial: Make, run: MakeRun, length: int) -> None:
    one = trial(0, (0.5,))
    one.config["augment"] = "x" * 3 * length
    found = run([one])
    label = shown_of(found, ["augment"])["top"][0]["label"]
    assert len(label) <= learning_curves.LONGEST


def test_a_label_is_no_markdown(trial: Make, run: MakeRun) -> None:
    one = trial(0, (0.5,))
    one.config["augment"] = "_a_*(b)"
    found = run([one])
    label = shown_of(found, ["augment"])["top"][0]["label"]
    assert label.endswith("augment _a_*(b)")
