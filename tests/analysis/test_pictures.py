"""The plots beside the curves: only those that say something, the same bytes for the same values, and well-formed."""

import dataclasses
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import pytest

from analysis import drawings, pictures
from analysis.standing import stand
from search.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
SHOWN: dict[str, dict[str, Any]] = {
    "parameters": {"panels": [
        {"name": "lr $x_1$", "log": True, "levels": [], "points": [(1e-4, 50, "finished"), (0.1, 60, "stopped")]},
        {"name": "augment", "log": False, "levels": ["none", "flip"], "points": [(0, 50, "finished"), (1, 60, "finished")]},
    ]},
    "progress": {"points": [(10, 50), (30, 60), (50, 60)], "trials": 5},
    "size": {"others": [(1000, 50)], "front": [(1000, 60), (200_000, 70)]},
    "confusion": {"classes": ["cat", "<dog>"], "shares": [[90.0, 10.0], [0.0, 100.0]]},
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_a_plot_is_well_formed_without_formulas_and_the_same_again(name: str) -> None:
    first = drawings.draw(name, SHOWN[name])
    for other in SHOWN:
        drawings.draw(other, SHOWN[other])
    assert drawings.draw(name, SHOWN[name]) == first
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert b"mathdefault" not in first
    assert b"<dc:date>" not in first


def test_a_plain_search_has_what_it_varied_and_no_more(rates: Callable[[], list[Trial]], run: MakeRun) -> None:
    found = run(rates())
    shown = pictures.pictures(found, stand(found))
    assert list(shown) == ["parameters", "progress"]
    assert [panel["name"] for panel in shown["parameters"]["panels"]] == ["lr"]
    assert shown["parameters"]["panels"][0]["log"]
    assert shown["progress"]["points"][-1] == (9, pytest.approx(100 * 299 / 300))
    json.dumps(shown, allow_nan=False)


def test_networks_of_several_sizes_have_their_front(trial: Make, run: MakeRun) -> None:
    found = run(
        [
            trial(place, (value,), width=width)
            for place, (width, value) in enumerate(((64, 0.5), (128, 0.4), (256, 0.9)))
        ]
    )
    size = pictures.pictures(found, stand(found))["size"]
    assert [value for _, value in size["front"]] == pytest.approx([50, 90])
    assert [value for _, value in size["others"]] == pytest.approx([40])


def test_nothing_finished_nothing_drawn(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, (), "failed")])
    assert pictures.pictures(found, stand(found)) == {}


def test_the_winner_that_was_tested_has_its_confusions(rates: Callable[[], list[Trial]], run: MakeRun) -> None:
    matrix = [[8, 2], [0, 0]]
    line = {"weights": "a", "trial": 1, "epoch": 2, "state": "done", "metrics": {"confusion_matrix": matrix}}
    found = dataclasses.replace(run(rates(), classes=["a", "b"]), tests=[line])
    assert pictures.pictures(found, stand(found))["confusion"]["shares"] == [[80.0, 20.0], [0.0, 0.0]]
