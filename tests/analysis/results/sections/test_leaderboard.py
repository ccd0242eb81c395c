"""The table: ranks with ties, only what varied, the baseline always there; and the same rows for programs."""

import csv
import io
import json
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from analysis.frame import dataframe, network_cost
from analysis.frame.dataframe import Row
from analysis.ranking.standing import stand
from analysis.render.blocks import without_links
from analysis.render.markdown import plain, rendered
from analysis.results import page, rows
from analysis.results.sections import explanation, leaderboard
from search.run.ledger import Run, Trial
from trainables.config import KEYS
from trainables.models import cost as cost_of
from trainables.written import count

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]


def rows_of(text: str) -> list[list[str]]:
    """The cells of a Markdown table as a reader sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append("".join(child.content for child in token.children or []))
    return rows


def board(run: Run) -> list[dict[str, str]]:
    ranked = page.rank(run)
    header, *rows = rows_of(
        rendered(leaderboard.leaderboard(leaderboard.best_rows(ranked), dataframe.varied(ranked, [run])))
    )
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_a_row_says_what_a_reader_needs(trial: Make, run: MakeRun) -> None:
    first, second = trial(0, (0.2, 0.9, 0.8), lr=0.1), trial(1, (0.3, 0.5, 0.6), lr=0.0005)
    best, other = board(run([first, second]))
    assert best == {
        "#": "1",
        "id": first.id,
        "lr": "1.0e-1",
        "val %": "90.00",
        "95 % interval": "84.49 to 92.91",
        "Δ pp": "–",
        "p": "–",
        "epochs": "3/3, best 2",
        "status": "finished",
    }
    assert (other["#"], other["lr"], other["val %"], other["Δ pp"]) == ("2", "5.0e-4", "60.00", "−30.00")


def test_tied_rows_share_the_first_place(rates: Callable[[], list[Trial]], run: MakeRun) -> None:
    assert [row["#"] for row in board(run(rates()))] == ["1=", "1=", "1="]


def test_only_the_best_value_is_bold(rates: Callable[[], list[Trial]], run: MakeRun) -> None:
    ranked = page.rank(run(rates()))
    text = rendered(leaderboard.leaderboard(ranked, []))
    assert text.count("**") == 2
    assert "**99.67**" in text


def test_trials_without_a_value_have_no_rank(trial: Make, run: MakeRun) -> None:
    rows = board(
        run([trial(0, (0.9,)), trial(1, (0.8,), "diverged", epochs=2), trial(2, (), "failed"), trial(3, (), "planned")])
    )
    assert [(row["#"], row["val %"], row["status"]) for row in rows] == [
        ("1", "90.00", "finished"),
        ("–", "–", "not started"),
        ("–", "–", "diverged"),
        ("–", "–", "failed"),
    ]


def test_a_stopped_trial_shows_how_far_it_came(trial: Make, run: MakeRun) -> None:
    _, stopped = board(run([trial(0, (0.5,) * 9), trial(1, (0.6, 0.7, 0.65), "stopped", epochs=9)]))
    assert (stopped["#"], stopped["epochs"], stopped["status"]) == ("2", "3/9, best 2", "stopped early")


def test_the_baseline_is_shown_whatever_its_rank(trial: Make, run: MakeRun) -> None:
    trials = [trial(index, (0.5 + index / 100,)) for index in range(1, 31)]
    rows = board(run([trial(0, (0.1,), source="baseline"), *trials]))
    assert len(rows) == leaderboard.TOP + 1
    assert (rows[-1]["#"], rows[-1]["id"].endswith("(baseline)")) == ("31", True)


def test_an_id_links_to_the_folder_of_its_trial(trial: Make, run: MakeRun) -> None:
    one = trial(7, (0.5,))
    assert f"[{one.id}](trials/0007-{one.id})" in rendered(leaderboard.leaderboard(page.rank(run([one])), []))


hostile = st.text(st.characters(codec=None), max_size=30) | st.sampled_from(["a|b", "<b>", "[x](y)", "`|`", "\n|-|\n"])


@settings(max_examples=50)
@example("name", "\ud800")  # half a surrogate pair, as JSON may have it; pandas refuses it in the name of a column
@given(hostile.filter(lambda key: key == key.encode(errors="replace").decode()), hostile)
def test_any_text_in_a_setting_leaves_the_shape(trial: Make, run: MakeRun, key: str, value: str) -> None:
    assume(
        key not in (*dataframe.ORIGIN, *dataframe.facts([]), *dataframe.METRICS, *KEYS)
    )  # a width that is no number is damage
    one = trial(0, (0.5,))
    one.config[key] = value
    rows = rows_of(rendered(leaderboard.leaderboard(page.rank(run([one, trial(1, (0.6,))])), [key])))
    assert [len(row) for row in rows] == [9, 9, 9]


def told(ranked: pd.DataFrame, seeds: int = 1) -> str:
    """What the columns mean, on a validation split of 300 images."""
    return plain(tuple(explanation.explanation(ranked, 300, seeds).values()))


def test_the_words_say_which_test_was_made(rates: Callable[[], list[Trial]], run: MakeRun) -> None:
    ranked = page.rank(run(rates()))
    assert "two-proportion z-test" in told(ranked)
    paired = ranked.assign(test=pd.Series([None, "paired", "paired"]))
    assert "exact McNemar test" in told(paired)
    mixed = ranked.assign(test=pd.Series([None, "paired", "unpaired"]))
    assert "for 1 row two-proportion z-test" in told(mixed)


def test_one_seed_is_unconfirmed(rates: Callable[[], list[Trial]], run: MakeRun) -> None:
    ranked = page.rank(run(rates()))
    assert "Unconfirmed: one seed each" in told(ranked)
    assert "Unconfirmed" not in told(ranked, 5)


@pytest.fixture
def records(trial: Make, run: MakeRun) -> list[Row]:
    trials = [trial(0, (0.5, 0.9), lr=0.1), trial(1, (0.6, 0.7), lr=0.2), trial(2, (), "planned", epochs=2, lr=0.3)]
    return rows.records(page.rank(run(trials)), ["lr"])


def test_records_have_the_names_of_the_ledger_best_first(records: list[Row]) -> None:
    assert list(records[0])[:9] == [
        "id", "rank", "status", "epochs", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy",
    ]  # fmt: skip
    assert [(row["rank"], row["lr"], row["val_accuracy"]) for row in records] == [
        (1, 0.1, 0.9),
        (2, 0.2, 0.7),
        (3, 0.3, None),
    ]


def test_json_is_strict_and_exact(records: list[Row]) -> None:
    def refuse(text: str) -> float:
        raise AssertionError(text)

    assert json.loads(rows.as_json(records), parse_constant=refuse) == records


def test_csv_has_the_same_rows(records: list[Row]) -> None:
    found = list(csv.DictReader(io.StringIO(rows.as_csv(records))))
    assert [row["id"] for row in found] == [record["id"] for record in records]
    assert float(found[0]["val_accuracy"]) == 0.9
    assert found[2]["val_accuracy"] == found[2]["best_epoch"] == ""
    assert found[0]["best_epoch"] == "2"


def test_no_trials_are_an_empty_list(run: MakeRun) -> None:
    empty = page.rank(run([], total=3))
    assert rows.as_json(rows.records(empty, [])) == "[]\n"
    assert isinstance(empty, pd.DataFrame)


def wide(trial: Make, run: MakeRun) -> Run:
    """Trials that vary in eight hyperparameters."""
    names = ("lr", "weight_decay", "momentum", "dropout", "label_smoothing", "batch_size", "augment", "depth")
    values = [(1e-4, 1e-3, 0.91, 0.1, 0.01, 32, "none", 1), (1e-3, 1e-5, 0.95, 0.3, 0.05, 64, "flip", 2)]
    return run([trial(place, (0.5,), **dict(zip(names, own, strict=True))) for place, own in enumerate(values)])


def test_a_wide_table_keeps_what_matters_and_names_the_rest(trial: Make, run: MakeRun) -> None:
    where = stand(wide(trial, run))
    order = ["depth", "augment", "momentum"]
    text, below = rendered(without_links(leaderboard.leaderboard(where.board, where.keys, order=order))).split("\n\n")
    columns = zip(*rows_of(text), strict=True)
    assert 1 + sum(3 + max(map(len, column)) for column in columns) <= leaderboard.WIDEST
    assert all(f" {key} " in text for key in ("depth", "augment", "momentum"))
    assert below.startswith("Also varied, without room in the table: ")
    assert "dropout 0.1 to 0.3" in below
    assert [key for key in where.keys if (f" {key} " in text.splitlines()[0]) == (f" {key} " in below)] == []


def test_a_few_hyperparameters_stay_in_any_table(trial: Make, run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaderboard, "WIDEST", 1)
    where = stand(wide(trial, run))
    head = rendered(leaderboard.leaderboard(where.board, where.keys)).splitlines()[0]
    assert [key for key in where.keys if f" {key} " in head] == where.keys[: leaderboard.FEWEST]


def test_the_width_is_that_of_the_text_as_read(trial: Make, run: MakeRun) -> None:
    where = stand(wide(trial, run))
    columns, rows = leaderboard.columns(where.board, where.keys, {}), leaderboard.rows_of(where.board)
    as_read = rows_of(rendered(without_links((leaderboard.table(columns, rows),))))
    expected = 1 + sum(3 + max(map(len, column)) for column in zip(*as_read, strict=True))
    assert leaderboard.width(columns, rows) == expected


def test_operations_have_a_column_only_where_they_say_more_than_the_parameters(trial: Make, run: MakeRun) -> None:
    assert network_cost.are_proportional({0: 100, 1: 1000}, {0: 201, 1: 1990})
    assert not network_cost.are_proportional({0: 100, 1: 1000}, {0: 2000, 1: 4000})
    board = stand(run([trial(0, (0.5,), width=64), trial(1, (0.5,), width=128)])).board
    assert "FLOPs: in proportion" in network_cost.words(board, {0: ["100"]})
    assert "FLOPs: of one image" in network_cost.words(board, {0: ["100", "200"]})
    assert network_cost.words(board, {}) == ""


def test_where_all_networks_cost_the_same_that_is_said_in_words(trial: Make, run: MakeRun) -> None:
    alike = run([trial(0, (0.5,), lr=0.1), trial(1, (0.5,), lr=0.2)])
    number = cost_of.parameters(alike.trials[0].config, len(alike.identity.classes))
    assert f"Every network has {count(number)} parameters" in page.render(alike)


def test_a_p_of_nobody_has_no_column(trial: Make, run: MakeRun) -> None:
    where = stand(run([trial(0, (0.5,)), trial(1, (0.4,), "stopped", epochs=2)]))
    assert "|   p |" not in rendered(leaderboard.leaderboard(where.board, where.keys))
