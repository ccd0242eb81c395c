"""One row per trial, with its settings and its metrics at the best epoch."""

import dataclasses
from collections.abc import Callable

import pytest

from analysis.frame import dataframe
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]


def test_metrics_are_those_of_the_best_epoch_the_earliest_on_ties(trial: Make, run: MakeRun) -> None:
    row = dataframe.load([run([trial(0, (0.5, 0.9, 0.9, 0.7))])]).iloc[0]
    assert (row["best_epoch"], row["val_accuracy"], row["train_loss"], row["epochs"]) == (2, 0.9, 0.5, 4)


def test_lr_is_the_hyperparameter_and_not_the_rate_of_the_epoch(trial: Make, run: MakeRun) -> None:
    scheduled = trial(0, (0.5,), lr=0.1)
    scheduled = dataclasses.replace(scheduled, epochs=[{**scheduled.epochs[0], "lr": 0.001}])
    assert dataframe.load([run([scheduled])])["lr"].tolist() == [0.1]


def test_no_setting_can_pass_for_a_fact(trial: Make, run: MakeRun) -> None:
    one = trial(0, (0.5,))
    one.config["status"] = "failed"
    assert dataframe.load([run([one])])["status"].tolist() == ["finished"]


def test_a_trial_without_epochs_has_its_settings_and_no_metrics(trial: Make, run: MakeRun) -> None:
    row = dataframe.load([run([trial(0, (), "planned", epochs=5, depth=2)])]).iloc[0]
    assert (row["status"], row["depth"], row["epochs"], row["epochs_allowed"]) == ("planned", 2, 0, 5)
    assert dataframe.load([run([trial(0, (), "planned")])])[["best_epoch", *dataframe.METRICS]].isna().all(axis=None)


def test_a_setting_that_a_model_does_not_have_is_none(trial: Make, run: MakeRun) -> None:
    loaded = dataframe.load([run([trial(0, (0.5,), depth=2), trial(1, (0.5,), model="resnet18")])])
    assert loaded["depth"].tolist() == [2, None]


def test_rows_do_not_depend_on_the_order_of_the_lines(trial: Make, run: MakeRun) -> None:
    trials = [trial(0, (0.5,), model="resnet18"), trial(1, (0.6,), depth=4)]
    forward, backward = dataframe.load([run(trials)]), dataframe.load([run(trials[::-1])])
    assert forward.equals(backward)
    assert list(forward.columns) == list(backward.columns)


def test_no_trials_give_no_rows(run: MakeRun) -> None:
    assert dataframe.load([run([], total=3)]).empty


@pytest.mark.parametrize(
    ("searched", "expected"), [({"lr": "…"}, ["lr"]), ({"lr": "…", "depth": "…"}, ["lr", "depth"])]
)
def test_what_varies_or_is_searched_is_worth_a_column(
    trial: Make, run: MakeRun, searched: dict[str, str], expected: list[str]
) -> None:
    found = run([trial(0, (0.5,), lr=0.1, dropout=0), trial(1, (0.5,), lr=0.2, dropout=0.0)], space_params=searched)
    assert dataframe.varied(dataframe.load([found]), [found]) == expected
