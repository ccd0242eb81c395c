"""`compare`: winners, what each run gave for its epochs, and settings, of runs side by side."""

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from scipy.stats import ttest_rel

from analysis.__main__ import app
from analysis.views import compare
from analysis.views.selection import Selection
from search.run.ledger import Run, Trial
from trainables.cli.execution import execute
from trainables.errors import UsageError
from trainables.objective import LOSS

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
WriteRun = Callable[[Path, Run], Path]
ALL = Selection()


def named(run: Run, name: str) -> Run:
    return Run(Path("runs") / name, run.identity, run.totals, run.trials, run.decisions, run.tests)


def two(trial: Make, run: MakeRun, **second: object) -> list[Run]:
    first = run([trial(0, (0.5, 0.6), lr=0.1), trial(1, (0.5, 0.9), lr=0.2)])
    other = run([trial(0, (0.5, 0.6), lr=0.1), trial(1, (0.5, 0.8), **({"lr": 0.2} | second))])
    return [named(first, "first"), named(other, "second")]


def test_the_same_winner_is_said(trial: Make, run: MakeRun) -> None:
    assert "**The same winner: lr 2.0e-1.**" in compare.show(two(trial, run), "md", ALL)


def test_a_knob_that_does_nothing_makes_no_other_winner(trial: Make, run: MakeRun) -> None:
    """As in a run from before there was such a knob."""
    runs = two(trial, run)
    assert runs[1].trials[1].config.pop("ema") == 0
    assert "**The same winner: " in compare.show(runs, "md", ALL)


def test_another_winner_is_held_against_the_noise(trial: Make, run: MakeRun) -> None:
    text = compare.show(two(trial, run, lr=0.3), "md", ALL)
    assert (
        "**Not the same winner.** first lies 10.00 points above second: more than noise (p < 0.001, unpaired, of these two "
        "trained networks)." in text
    )


def test_a_band_is_no_promise_where_early_stopping_compared_the_trials(trial: Make, run: MakeRun) -> None:
    told = "Early stopping compared trials with each other, so they are no independent draws: the band is no promise there."
    assert told not in compare.show(two(trial, run), "md", ALL)
    raced = [
        dataclasses.replace(each, identity=dataclasses.replace(each.identity, scheduler={"name": "asha"}))
        for each in two(trial, run)
    ]
    assert told in compare.show(raced, "md", ALL)


def test_different_images_are_not_compared(trial: Make, run: MakeRun) -> None:
    runs = two(trial, run)
    assert "different images" in compare.show([runs[0], named(run(runs[1].trials, fingerprint="x"), "b")], "md", ALL)


def test_json_is_a_list_best_first_with_ids_and_curves(trial: Make, run: MakeRun) -> None:
    runs = two(trial, run)
    rows = json.loads(compare.show(runs[::-1], "json", ALL))
    assert [(row["run"], row["id"]) for row in rows] == [(each.name, each.trials[1].id) for each in runs]
    assert [point["epochs"] for point in rows[0]["curve"]] == [1, 2, 4]
    assert [point["best_so_far"] for point in rows[0]["curve"]] == [None, 0.6, 0.9]
    assert rows[0]["curve"][1]["expected"] == pytest.approx(0.75)
    assert all(point["low"] <= point["expected"] <= point["high"] for point in rows[0]["curve"][1:])


def test_csv_is_a_line_for_each_run_and_budget(trial: Make, run: MakeRun) -> None:
    lines = list(csv.DictReader(io.StringIO(compare.show(two(trial, run), "csv", ALL))))
    assert [(line["run"], line["epochs"]) for line in lines] == [(a, b) for a in ("first", "second") for b in "124"]


def test_settings_are_shared_or_told_apart(trial: Make, run: MakeRun) -> None:
    text = compare.show(two(trial, run, dropout=0.5), "md", ALL)
    assert "The same in all trials: model mlp," in text
    assert "| dropout " in text and "2 values" in text


def test_confirming_trials_and_lost_ones_have_no_part(trial: Make, run: MakeRun) -> None:
    own = [trial(0, (0.5,), lr=0.1), trial(1, (0.9,), "diverged", lr=0.2), trial(2, (0.95,), lr=0.1, source="confirm")]
    points = compare.curve(run(own), [2])
    assert points[0]["best_so_far"] == 0.5
    assert points[0]["expected"] == 0.5


def test_an_expected_value_of_zero_is_shown() -> None:
    point: compare.Point = {"epochs": 1, "best_so_far": 0.0, "expected": 0.0, "low": None, "high": None, "draws": 1}
    assert compare.point_cells([point], 0, LOSS) == ("0.0000", "0.0000")


def test_the_baseline_is_no_random_draw(trial: Make, run: MakeRun) -> None:
    """Every search begins with it: the expected best is at least its value, and the mean over draws of the others."""
    own = [trial(0, (0.7,), lr=0.1, source="baseline")]
    own += [trial(place, (value,), lr=0.1 + place, source="random") for place, value in enumerate((0.2, 0.6, 0.8), 1)]
    points = compare.curve(run(own), [1, 2, 4, 5])
    assert [point["draws"] for point in points] == [0, 1, 3, 4]
    assert [point["expected"] for point in points] == [
        None,
        pytest.approx((0.7 + 0.7 + 0.8) / 3),
        pytest.approx(0.8),
        None,
    ]
    assert [point["best_so_far"] for point in points] == [0.7, 0.7, 0.8, 0.8]
    assert all(point["low"] >= 0.7 for point in points[1:3])


def test_the_points_of_a_warm_start_are_no_random_draws_either(trial: Make, run: MakeRun) -> None:
    """They cost what they cost before the first draw is paid for."""
    sources = ("baseline", "warm", "warm", "random", "random")
    own = [trial(place, (0.5 + place / 10,), lr=1 + place, source=source) for place, source in enumerate(sources)]
    points = compare.curve(run(own), [2, 3, 4, 5])
    assert [point["draws"] for point in points] == [0, 0, 1, 2]
    assert [point["expected"] for point in points] == [None, None, pytest.approx(0.85), pytest.approx(0.9)]
    runs = [named(run(own, algorithm="random"), "first"), named(run(own, algorithm="tpe"), "second")]
    text = compare.show(runs, "md", ALL)
    assert "the best of the baseline and the points of the warm start, which come first, and of" in text
    assert "The points of tpe are no independent draws" in text


def test_the_rows_can_be_chosen(trial: Make, run: MakeRun) -> None:
    rows = json.loads(compare.show(two(trial, run), "json", Selection(filter="val_accuracy < 0.85")))
    assert [row["run"] for row in rows] == ["second"]
    assert json.loads(compare.show(two(trial, run), "json", Selection(top=1)))[0]["run"] == "first"
    assert compare.show(two(trial, run), "md", Selection(columns="lr"))


def test_the_command_wants_two_runs(
    written: Path, save: WriteRun, trial: Make, run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(app, "analysis", ["compare", str(written), str(written)]) == 2
    assert "at least two" in capsys.readouterr().err
    other = save(written.parent / "other", run([trial(0, (), "planned")]))
    assert execute(app, "analysis", ["compare", str(written), str(other)]) == 0
    assert "**No trial of other has finished.**" in capsys.readouterr().out


def test_a_configuration_with_several_seeds_is_its_mean(seeded: Run) -> None:
    """The best single seed is no winner, and all seeds are one draw that costs what all of them took."""
    runs = [named(seeded, "first"), named(seeded, "second")]
    row = json.loads(compare.show(runs, "json", ALL))[0]
    assert row["val_accuracy"] == pytest.approx((0.94 + 0.95 + 0.955) / 3)
    assert row["val_accuracy_low"] < row["val_accuracy"] < row["val_accuracy_high"]
    assert (row["seeds"], row["confirmed"], row["trials"], row["epochs"]) == (3, False, 9, 18)
    assert [point["draws"] for point in row["curve"] if point["epochs"] in (9, 18)] == [0, 2], "the baseline is none"
    assert row["curve"][-1]["best_so_far"] == pytest.approx(row["val_accuracy"])
    text = compare.show(runs, "md", ALL)
    assert "mean over the seeds of a configuration" in text
    assert "With 3 seeds an interval is wide, because" in text


def test_a_confirmed_winner_counts_with_its_fresh_seeds(confirmed: Run, seeded: Run) -> None:
    runs = [named(confirmed, "first"), named(seeded, "second")]
    row = next(row for row in json.loads(compare.show(runs, "json", ALL)) if row["run"] == "first")
    assert (row["lr"], row["confirmed"]) == (5e-4, True)
    assert row["val_accuracy"] == pytest.approx(0.945)
    worse = [trial for trial in seeded.trials if trial.config["lr"] != 5e-4]
    runs[1] = named(dataclasses.replace(seeded, trials=worse), "second")
    assert "not tested, because they do not rest on several seeds" in compare.show(runs, "md", ALL)
    assert "(3 fresh seeds; 3 seeds of the search)" in compare.show(runs, "md", ALL)


def test_winners_on_the_same_seeds_are_compared_over_them(seeded: Run) -> None:
    worse = [trial for trial in seeded.trials if trial.config["lr"] != 5e-4]
    runs = [named(seeded, "first"), named(dataclasses.replace(seeded, trials=worse), "second")]
    p_value = ttest_rel((0.94, 0.95, 0.955), (0.90, 0.91, 0.92)).pvalue
    expected = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    assert f"first lies 3.83 points above second: more than noise ({expected}, paired over 3 seeds)" in compare.show(
        runs, "md", ALL
    )


def test_two_runs_of_one_name_are_told_apart_by_nothing(trial: Make, run: MakeRun) -> None:
    runs = two(trial, run)
    with pytest.raises(UsageError, match="two runs have the name first"):
        compare.show([runs[0], named(runs[1], "first")], "md", ALL)


def test_several_tests_are_adjusted_and_the_choice_of_each_winner_is_said(trial: Make, run: MakeRun) -> None:
    runs = [
        named(run([trial(0, (0.5, 0.86 if place else 0.90), lr=0.1 + place / 10)]), f"run-{place}")
        for place in range(3)
    ]
    one = compare.show([runs[0], runs[2]], "md", ALL)
    assert "A test does not allow for each winner's having been chosen as the best of its run." in one
    assert "Holm" not in one
    several = compare.show(runs, "md", ALL)
    assert "adjusted by Holm for 2 tests." in several
    p_value = float(re.findall(r"p = (0\.\d+)", several)[0])
    alone = float(re.findall(r"p = (0\.\d+)", compare.show(runs[:2], "md", ALL))[0])
    assert p_value == pytest.approx(2 * alone, abs=2e-3)
