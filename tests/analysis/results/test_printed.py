"""Several runs as one ranking, and runs found by their names."""

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import lookup
from analysis.ranking.standing import stand
from analysis.results import printed
from analysis.views import selection
from search.run import ledger
from search.run.ledger import Run, Trial
from trainables.errors import RunError

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
WriteRun = Callable[[Path, Run], Path]


@pytest.fixture
def two(trial: Make, run: MakeRun, save: WriteRun, tmp_path: Path) -> Callable[..., list[Run]]:
    """Two runs of two trials each, best values alternating between them; the second has these other facts."""

    def make(**identity: object) -> list[Run]:
        first = run([trial(0, (0.9,), lr=0.1), trial(1, (0.7,), lr=0.2)])
        second = run([trial(0, (0.8,), lr=0.1, depth=2), trial(1, (0.6,), lr=0.1, depth=4)], **identity)
        return [ledger.read(save(tmp_path / name, each)) for name, each in (("one", first), ("two", second))]

    return make


def test_trials_of_several_runs_are_ranked_together(two: Callable[..., list[Run]]) -> None:
    rows = json.loads(printed.show(two(), "json"))
    assert [(row["run"], row["rank"], row["val_accuracy"]) for row in rows] == [
        ("one", 1, 0.9), ("two", 2, 0.8), ("one", 3, 0.7), ("two", 4, 0.6),
    ]  # fmt: skip
    assert {"lr", "depth"} <= set(rows[0])


def test_only_one_row_is_the_best(two: Callable[..., list[Run]]) -> None:
    """Both runs have a trial 0; only the better one is bold."""
    text = printed.show(two(), "md")
    assert text.count("**9") == 1
    assert "ranked apart" not in text
    assert "](" not in text


def test_runs_on_different_images_are_ranked_apart_and_it_is_said(two: Callable[..., list[Run]]) -> None:
    runs = two(fingerprint="00", dataset_title="CIFAR-10", sizes={"train": 9, "val": 5000, "test": 9})
    text = printed.show(runs, "md")
    assert text.startswith("Runs on different images are ranked apart")
    assert text.count("**") >= 4
    rows = list(csv.DictReader(io.StringIO(printed.show(runs, "csv"))))
    assert [(row["dataset"], row["rank"]) for row in rows] == [
        ("digits", "1"),
        ("digits", "2"),
        ("CIFAR-10", "1"),
        ("CIFAR-10", "2"),
    ]


def test_one_run_has_no_column_for_its_name(two: Callable[..., list[Run]]) -> None:
    assert "run" not in json.loads(printed.show(two()[:1], "json"))[0]


def test_a_run_without_trials_can_be_shown(run: MakeRun) -> None:
    assert printed.show([run([], total=1)], "md") == "No trial has been planned.\n"
    assert printed.show([run([], total=1)], "json") == "[]\n"


def test_a_run_is_found_by_name_and_by_path(two: Callable[..., list[Run]], tmp_path: Path) -> None:
    two()
    assert lookup.run_folder("one", tmp_path) == tmp_path / "one"
    assert lookup.run_folder(str(tmp_path / "one"), tmp_path / "nowhere") == tmp_path / "one"


def test_an_unknown_run_names_the_closest(two: Callable[..., list[Run]], tmp_path: Path) -> None:
    two()
    with pytest.raises(RunError, match=r"unknown run 'on'\. Did you mean 'one'\? Known: one, two\."):
        lookup.run_folder("on", tmp_path)


def test_without_any_run_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run"):
        lookup.run_folder("one", tmp_path)


def called(run: Run, name: str, **totals: int) -> Run:
    return dataclasses.replace(run, folder=Path("runs") / name, totals=dataclasses.replace(run.totals, **totals))


def test_a_configuration_on_several_seeds_is_one_row(seeded: Run) -> None:
    """Two runs with the same seeds: the mean with its interval, compared over the seeds as in results.md."""
    rows = json.loads(printed.show([called(seeded, "a"), called(seeded, "b")], "json"))
    assert [(row["run"], row["lr"], row["seeds"]) for row in rows] == [
        (run, lr, 3) for lr in (5e-4, 1e-3, 1e-4) for run in "ab"
    ]
    own = stand(seeded).board
    for column in ("val_accuracy", "low", "high"):
        name = "val_accuracy" if column == "val_accuracy" else f"val_accuracy_{column}"
        assert [row[name] for row in rows[2::2]] == own[column].tolist()[1:]
    assert rows[0]["val_accuracy_low"] < rows[0]["val_accuracy"] < rows[0]["val_accuracy_high"]
    assert {row["seed"] for row in rows} == {None}
    text = printed.show([called(seeded, "a"), called(seeded, "b")], "md")
    assert "digits: 6 configurations: 6 finished." in text
    assert "paired t-test over the seeds" in text
    assert "Student's over seeds" in text


def test_rows_of_different_seeds_are_not_tested_and_it_is_said(seeded: Run, confirmed: Run) -> None:
    runs = [called(seeded, "a"), called(confirmed, "b")]
    text = printed.show(runs, "md")
    assert "not all trained on the same seeds, so no test is made" in text
    assert "| seeds |" in " ".join(text.split())
    assert "1=" not in text
    assert [row["seeds"] for row in json.loads(printed.show(runs, "json"))].count(3) == 3


def test_what_fresh_seeds_gave_stands_beside_the_value_of_the_search(
    confirmed: Run, two: Callable[..., list[Run]]
) -> None:
    runs = [called(confirmed, "a"), two()[0]]
    by_rate = {row["lr"]: row for row in json.loads(printed.show(runs, "json")) if row["run"] == "a"}
    assert by_rate[5e-4]["confirmed"] == pytest.approx(0.945)
    assert by_rate[5e-4]["confirmed_low"] < 0.945 < by_rate[5e-4]["confirmed_high"]
    assert by_rate[1e-4]["confirmed"] is None
    assert "94.50 (93.20 to 95.78)" in printed.show(runs, "md")
    assert "confirmed" in selection.listed(runs, "csv", selection.Selection(top=1))


def test_a_run_that_has_no_trial_yet_is_no_row(seeded: Run, run: MakeRun) -> None:
    assert len(json.loads(printed.show([called(seeded, "a"), called(run([]), "b")], "json"))) == 3


# What a terminal shows of a search that has ended ------------------------------------------------------------------------


def shape(text: str) -> str:
    """A letter for each line: | of a table, . of a blank one, a word for any other."""
    return " ".join("|" if line.startswith("|") else "." if not line else "words" for line in text.splitlines())


def test_after_a_search_there_is_a_table_and_no_footnote(rates: Callable[[], list[Trial]], run: MakeRun) -> None:
    found = run(rates())
    text = printed.brief(found, stand(found))
    assert text.startswith("digits: 3 trials: 3 finished.\n\n|")
    assert shape(text) == "words . | | | | |"
    assert printed.show([found], "md").startswith(text.rstrip()), "the same table, whose meaning is told when asked for"


@pytest.mark.parametrize("number", [30, 60])
def test_a_table_that_is_cut_says_so(trial: Make, run: MakeRun, number: int) -> None:
    found = run([trial(place, (0.3 + place / 100,), lr=0.1 + place / 100) for place in range(number)])
    text = printed.brief(found, stand(found))
    assert text.startswith(f"digits: {number} trials: {number} finished. The best 20 are shown.\n")
    assert shape(text).count("|") == 22


def test_after_a_confirmation_it_is_the_table_of_the_fresh_seeds(confirmed: Run, seeded: Run) -> None:
    text = printed.brief(confirmed, stand(confirmed))
    assert shape(text) == "words . | | | | |"
    assert "confirmed %" in text
    assert "](" not in text
    assert "confirmed" not in printed.brief(seeded, stand(seeded))


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_where_nothing_finished_the_next_step_is_below_the_table(trial: Make, run: MakeRun, status: str) -> None:
    found = run([trial(place, (), status, lr=0.1 + place) for place in range(2)])
    text = printed.brief(found, stand(found))
    assert shape(text) == "words . | | | | . words"
    assert text.splitlines()[-1].startswith(f"All 2 trials {status}. ")


def test_beside_finished_trials_the_first_failure_is_a_line_with_its_command(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, (0.5,), lr=0.1), *(trial(place, (0.3,), "failed", lr=0.1 + place) for place in (1, 2))])
    text = printed.brief(found, stand(found))
    outcome = found.trials[1].outcome or {}
    line = text.splitlines()[-1]
    assert line.startswith(f"2 trials failed, the first with {outcome['error']} in {outcome['where']}: ")
    assert line.endswith(f"/{found.trials[1].id}`")


def test_of_a_search_that_was_stopped_before_its_end_only_who_stopped_it_says_how_it_goes_on(
    trial: Make, run: MakeRun
) -> None:
    early = run([trial(place, (), "planned", lr=0.1 + place) for place in range(2)])
    assert printed.brief(early, stand(early)) == "No trial has trained an epoch yet.\n"
    begun = run([trial(0, (0.5,), "running", lr=0.1, epochs=3), trial(1, (), "planned", lr=0.2)])
    text = printed.brief(begun, stand(begun))
    assert shape(text) == "words . | | | |"
    assert "--resume" not in text


def test_a_search_without_a_trial_has_no_table(run: MakeRun) -> None:
    found = run([], total=1)
    assert printed.brief(found, stand(found)) == "No trial has been planned.\n"
