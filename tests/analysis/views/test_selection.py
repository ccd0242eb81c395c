"""--filter, --sort, --top and --columns of the leaderboard."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.__main__ import app
from analysis.views.selection import Selection, select, select_each
from trainables.cli.execution import execute
from trainables.errors import UsageError


@pytest.fixture
def rows(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)

    def read(*words: str) -> list[dict]:
        assert execute(app, "analysis", ["leaderboard", "lr_sweep-digits", "--format", "json", *words]) == 0
        return json.loads(capsys.readouterr().out)

    return read


def test_a_filter_keeps_the_order_of_the_leaderboard(rows) -> None:
    assert [row["lr"] for row in rows("--filter", "lr < 1e-3")] == [5e-4, 1e-4]


def test_sorted_by_a_column_both_ways(rows) -> None:
    assert [row["lr"] for row in rows("--sort", "lr")] == [1e-4, 5e-4, 1e-3]
    assert [row["lr"] for row in rows("--sort", "-lr")] == [1e-3, 5e-4, 1e-4]


def test_columns_always_come_with_the_id(rows) -> None:
    (row,) = rows("--top", "1", "--columns", "lr, val_accuracy")
    assert list(row) == ["id", "lr", "val_accuracy"]


def test_json_is_best_first_and_every_row_has_its_id(rows) -> None:
    assert [row["rank"] for row in rows()] == [1, 2, 3]
    assert all(row["id"] for row in rows("--filter", "rank > 1"))


def test_nothing_found_is_an_empty_list_and_a_sentence(rows, capsys: pytest.CaptureFixture[str]) -> None:
    assert rows("--filter", "lr > 1") == []
    assert execute(app, "analysis", ["leaderboard", "lr_sweep-digits", "--filter", "lr > 1"]) == 0
    out, err = capsys.readouterr()
    assert out == "No row fulfils the condition.\n"
    assert err == "note: no row has lr > 1: lr goes from 0.0001 to 0.001\n"


@pytest.mark.parametrize("command", ["leaderboard", "compare"])
def test_the_unit_that_is_shown_is_not_the_unit_of_a_condition(
    written: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(written, written.parent / "other")
    words = [command, str(written), str(written.parent / "other"), "--filter", "val_accuracy > 91"]
    assert execute(app, "analysis", words) == 2
    assert "For 91 % write 0.91." in capsys.readouterr().err


def test_markdown_and_csv_have_the_same_rows(rows, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["leaderboard", "lr_sweep-digits", "--top", "2", "--columns", "lr,status"]
    assert execute(app, "analysis", [*words, "--format", "csv"]) == 0
    table = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert table[0] == ["id", "lr", "status"]
    assert execute(app, "analysis", words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert [line.split("|")[1].strip() for line in lines[2:]] == [row[0] for row in table[1:]]


@pytest.mark.parametrize(
    ("words", "hint"),
    [(("--sort", "lrr"), "'lr'"), (("--columns", "a"), "Known"), (("--top", "0"), "--top must be at least 1")],
)
def test_what_is_not_there_is_a_usage_error(
    rows, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], hint: str
) -> None:
    assert execute(app, "analysis", ["leaderboard", "lr_sweep-digits", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error[usage]: ") and hint in err and err.count("\n") == 1


def test_the_first_rows_are_those_of_each_ranking() -> None:
    rankings = [[{"id": "a", "x": 1}, {"id": "b", "x": 3}], [{"id": "c", "x": 2}, {"id": "d", "x": 0}]]
    chosen = select_each(rankings, Selection(top=1, sort="x", columns="x"))
    assert chosen == [[{"id": "a", "x": 1}], [{"id": "d", "x": 0}]]


VALUES = st.one_of(st.none(), st.integers(-3, 3), st.floats(allow_nan=False), st.text(max_size=3))


@given(st.lists(VALUES, max_size=8), st.booleans())
def test_sorting_loses_nothing_and_puts_absent_values_last(values: list, reverse: bool) -> None:
    rows = [{"id": place, "x": value} for place, value in enumerate(values)]
    if not rows:
        return
    found = select(list(rows), Selection(sort="-x" if reverse else "x"))
    assert sorted(row["id"] for row in found) == list(range(len(values)))
    missing = [row["x"] is None for row in found]
    assert missing == sorted(missing)


def test_a_selection_of_nothing_is_everything() -> None:
    assert Selection().is_everything
    with pytest.raises(UsageError):
        Selection(top=-1)
