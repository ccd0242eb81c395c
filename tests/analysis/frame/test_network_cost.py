"""What a user's own networks cost, as far as their trials noted it: pytest tests/analysis/frame/test_network_cost.py"""

import csv
import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.frame import dataframe, network_cost
from analysis.plots import size
from analysis.ranking.standing import stand
from analysis.report import html_page
from analysis.results import page
from analysis.results.rows import all_records, as_csv
from search.run.ledger import Run, Trial
from trainables.trial import timing

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
Own = Callable[[list[tuple[int, int] | None]], Run]


@pytest.fixture
def own(trial: Make, run: MakeRun, tmp_path: Path) -> Own:
    """A run of own networks, each with this note of its parameters and FLOPs, or with none; the first is the best."""

    def made(notes: list[tuple[int, int] | None]) -> Run:
        trials = []
        for place, noted in enumerate(notes):
            one = trial(place, (0.9 - place / 10,), width=10 + place)
            one.config["model"] = "net.py:Net"
            one = dataclasses.replace(one, folder=tmp_path / str(place))
            one.folder.mkdir()
            if noted:
                timing.note(one.folder, dict(zip(("parameters", "flops"), noted, strict=True)))
            trials.append(one)
        return run(trials)

    return made


def test_a_size_that_nobody_noted_is_a_dash_and_no_number(own: Own) -> None:
    found = own([None, (200, 5000), (300, 6000), (400, 9000)])
    where = stand(found)
    rows = list(csv.DictReader(io.StringIO(as_csv(all_records(where)))))
    assert [(row["parameters"], row["flops"]) for row in rows][:2] == [("", ""), ("200", "5000")]
    cells = network_cost.cells(where.board, where.board)
    assert cells[0] == ("–", "–") and cells[1] == ("200 ★", "5.00k")
    assert network_cost.front(where.board, where.trials) == {1}
    assert " params |" in page.render(found)
    text = html_page.page(found)
    assert '<td data-v="">–</td><td data-v="">–</td>' in text
    picture = size.picture(found, where)
    assert picture is not None and 0 not in [each for each, _ in picture["others"] + picture["front"]]


def test_flops_that_cannot_be_counted_are_a_dash_too(own: Own) -> None:
    where = stand(own([(100, 0), (200, 5000), (300, 9000)]))
    assert network_cost.cells(where.board, where.board)[0] == ("100 ★", "–")


def test_of_operations_that_nobody_knows_nothing_is_said(own: Own) -> None:
    board = stand(own([(100, 0), (200, 0)])).board
    cells = network_cost.cells(board, board)
    assert cells[0] == ("100 ★",)
    assert "FLOPs" not in network_cost.words(board, cells)


def test_one_trial_of_an_architecture_knows_for_all(own: Own) -> None:
    found = own([None, (200, 5000)])
    found.trials[0].config["width"] = found.trials[1].config["width"]
    assert dataframe.load([found])["parameters"].tolist() == [200, 200]
