"""What the plot shows: the best by name, a sample of the rest."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.plots import curves
from analysis.results import page
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]


def test_the_best_have_names_and_the_others_do_not(trial: Make, run: MakeRun) -> None:
    found = run([trial(index, (index / 20, index / 10), lr=10.0**-index) for index in range(10)])
    shown = curves.learning_curves(found, page.rank(found), ["lr"])
    assert [curve["label"].split(" · ")[2:] for curve in shown["top"]][:2] == [
        ["90.00 %", "lr 1.0e-9"],
        ["80.00 %", "lr 1.0e-8"],
    ]
    assert shown["top"][0]["points"] == [(1, 45.0), (2, 90.0)]
    assert (len(shown["top"]), len(shown["others"]), shown["number_of_others"]) == (6, 4, 4)
    json.dumps(shown, allow_nan=False)


def test_trials_without_epochs_have_no_curve(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, (0.5,)), trial(1, (), "planned")])
    assert len(curves.learning_curves(found, page.rank(found), [])["top"]) == 1


@given(st.integers(0, 500), st.integers(2, 20))
def test_spread_keeps_the_ends_and_the_order(number: int, most: int) -> None:
    rows = list(range(number))
    chosen = curves.spread(rows, most)
    assert len(chosen) == min(number, most)
    assert chosen == sorted(set(chosen))
    assert chosen[:1] == rows[:1]
    assert chosen[-1:] == rows[-1:]


@pytest.mark.parametrize("length", [3, 60])
def test_labels_are_cut(trial: Make, run: MakeRun, length: int) -> None:
    one = trial(0, (0.5,))
    one.config["augment"] = "x" * 3 * length
    found = run([one])
    label = curves.learning_curves(found, page.rank(found), ["augment"])["top"][0]["label"]
    assert len(label) <= curves.LONGEST


def test_a_label_is_no_markdown(trial: Make, run: MakeRun) -> None:
    one = trial(0, (0.5,))
    one.config["augment"] = "_a_*(b)"
    found = run([one])
    label = curves.learning_curves(found, page.rank(found), ["augment"])["top"][0]["label"]
    assert label.endswith("augment _a_*(b)")
