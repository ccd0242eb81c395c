"""Seeds are one row, fresh seeds decide the answer, and every trial is in the files exactly once."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import t, ttest_rel

from analysis.ranking.standing import stand
from analysis.ranking.statistics import t_factor
from analysis.render.markdown import rendered
from analysis.results import page, printed
from analysis.results.rows import all_records
from analysis.results.sections import confirmation
from analysis.results.sections.explanation import few_seeds
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
Values = dict[float, tuple[float, ...]]


def test_seeds_are_one_row_with_their_mean_and_interval(seeded: Run, seed_values: Values) -> None:
    board = stand(seeded).board
    assert board["lr"].tolist() == [5e-4, 1e-3, 1e-4]
    assert board["val_accuracy"].tolist() == pytest.approx([np.mean(seed_values[lr]) for lr in (5e-4, 1e-3, 1e-4)])
    expected = t.interval(0.95, 2, np.mean(seed_values[1e-3]), np.std(seed_values[1e-3], ddof=1) / 3**0.5)
    assert (board["low"][1], board["high"][1]) == pytest.approx(expected), "the first row knows that it was picked"
    raw = [ttest_rel(seed_values[first], seed_values[second]).pvalue for first, second in ((5e-4, 1e-3), (5e-4, 1e-4))]
    assert board["p_value"][1] >= raw[0]
    assert "3 configurations: 3 finished, on 3 seeds each" in page.render(seeded)
    assert "Student's over seeds" in page.render(seeded)


def test_a_configuration_is_finished_when_all_its_seeds_are(seeded: Run) -> None:
    one = dataclasses.replace(seeded.trials[4], epochs=[], outcome=None)
    trials = [one if trial.index == one.index else trial for trial in seeded.trials]
    board = stand(dataclasses.replace(seeded, trials=trials)).board
    assert board[board["lr"] == 5e-4]["status"].tolist() == ["running"]


def test_trials_keep_the_order_of_their_configurations(seeded: Run) -> None:
    """The best single seed does not come first: the mean decides."""
    trials = stand(seeded).trials
    assert trials["lr"].tolist() == [5e-4] * 3 + [1e-3] * 3 + [1e-4] * 3
    assert trials["rank"].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_the_answer_is_the_best_on_fresh_seeds_and_shows_what_the_search_had_said(confirmed: Run) -> None:
    where = stand(confirmed)
    assert where.board["lr"].iloc[0] == 2e-3
    assert where.confirmed["lr"].tolist() == [5e-4, 2e-3, 1e-3]
    text = page.render(confirmed)
    assert "94.50 % validation accuracy** (95 % interval 93.20 to 95.78 %; mean of 3 fresh seeds, confirmed)" in text
    assert "The search had said 95.50 % (+1.00 points)." in text
    assert where.winner == 1
    assert "unconfirmed" not in text.split("## Leaderboard")[0]


def test_fresh_seeds_take_no_part_in_the_ranking(confirmed: Run) -> None:
    alone = dataclasses.replace(confirmed, trials=confirmed.trials[:4])
    assert stand(confirmed).board["id"].tolist() == stand(alone).board["id"].tolist()
    assert page.rank(confirmed)["source"].tolist().count("confirm") == 0


def test_until_all_fresh_seeds_have_ended_the_search_answers(confirmed: Run) -> None:
    trials = [*confirmed.trials[:-1], dataclasses.replace(confirmed.trials[-1], outcome=None)]
    text = page.render(dataclasses.replace(confirmed, trials=trials))
    assert "8 of 9 trials ended" in text
    assert "unconfirmed" in text.split("Protocol")[0]


def test_every_trial_is_a_record_once(confirmed: Run, seeded: Run) -> None:
    for run in (confirmed, seeded):
        rows = all_records(stand(run))
        assert sorted(row["index"] for row in rows) == [trial.index for trial in run.trials]
    fresh = [row for row in all_records(stand(confirmed)) if row["source"] == "confirm"]
    assert [row["rank"] for row in fresh] == [None] * 9


def test_a_search_without_fresh_seeds_says_nothing_of_them(seeded: Run) -> None:
    assert rendered(confirmation.section(seeded, stand(seeded))) == ""


def test_two_or_three_seeds_say_why_their_interval_is_wide(seeded: Run, confirmed: Run) -> None:
    assert "With 3 seeds an interval is wide, because" in page.render(seeded)
    assert "reaches 4.3 standard errors to each side; with 5 seeds it would be 2.8." in page.render(seeded)
    assert "With 3 seeds an interval is wide, because" in rendered(confirmation.section(confirmed, stand(confirmed)))
    assert few_seeds(1) == few_seeds(4) == ""
    assert t.ppf(0.975, 1) == pytest.approx(float(t_factor(2)))


def test_a_configuration_stopped_on_some_seeds_says_so(seeded: Run) -> None:
    """Its mean is of seeds of different lengths, so it neither ranks with the finished ones nor looks like one."""
    one = dataclasses.replace(seeded.trials[4], epochs=seeded.trials[4].epochs[:1], outcome=None, stopped_at=1)
    run = dataclasses.replace(seeded, trials=[one if trial.index == 4 else trial for trial in seeded.trials])
    row = stand(run).board.iloc[-1]
    assert (row["lr"], row["status"], row["stopped_seeds"]) == (5e-4, "stopped", 1)
    assert row["val_accuracy"] == pytest.approx((0.94 + 0.5 + 0.955) / 3)
    text = page.render(run)
    assert "| stopped early on 1 of 3 seeds |" in text
    assert "may have trained for different numbers of epochs" in text
    assert "different numbers of epochs" not in page.render(seeded)


def test_the_terminal_answers_with_the_fresh_seeds(confirmed: Run, seeded: Run) -> None:
    """What a search prints at its end is what results.md says first."""
    text = printed.show([confirmed], "md")
    assert text.startswith("Best: ")
    assert "94.50 % validation accuracy (95 % interval 93.20 to 95.78 %; mean of 3 fresh seeds, confirmed)" in text
    assert text.index("## Confirmed on fresh seeds") < text.index("digits: 4 trials: 4 finished.")
    assert "](" not in text
    assert "fresh" not in printed.show([seeded], "md")


def lose_one_seed_each(confirmed: Run) -> Run:
    """The last fresh seed of every configuration diverges."""
    fresh = [trial for trial in confirmed.trials if trial.source == "confirm"]
    last = max(trial.seed for trial in fresh)
    trials = [
        dataclasses.replace(trial, epochs=[], outcome={"outcome": "diverged", "epoch": 1})
        if trial.source == "confirm" and trial.seed == last
        else trial
        for trial in confirmed.trials
    ]
    return dataclasses.replace(confirmed, trials=trials)


def test_where_no_configuration_survives_its_fresh_seeds_the_search_answers_and_says_so(confirmed: Run) -> None:
    run = lose_one_seed_each(confirmed)
    where = stand(run)
    text = page.render(run)
    assert not where.is_confirmed
    assert where.best is not None
    assert where.best["lr"] == where.board["lr"].iloc[0]
    assert "No trial has finished" not in text
    assert "No configuration that was to be confirmed finished on every fresh seed." in text
    assert "unconfirmed" in text.split("## ")[0]
    assert "## What to do next" in text


def test_the_protocol_says_who_chooses(confirmed: Run, seeded: Run) -> None:
    asked = dataclasses.replace(confirmed, totals=dataclasses.replace(confirmed.totals, confirm=2, confirm_seeds=3))
    text = page.render(asked)
    assert "the best 2 and the baseline are trained again in full on 3 fresh seeds each" in text
    assert "**One seed each.**" in text
    assert "What fresh seeds made of the best stands above." in text
    assert "fresh" not in page.render(seeded)


def baseline_that_wins(confirmed: Run, status: str) -> Run:
    """The baseline comes first on fresh seeds, although the search had not seen its end."""
    first = confirmed.trials[0]
    rows, outcome, stopped = first.epochs[:1], None, 1
    if status != "stopped":
        rows, outcome, stopped = (
            [],
            {"outcome": status, "epoch": 1, "error": "RuntimeError: x", "where": "x.py:1"},
            None,
        )
    ended = dataclasses.replace(first, epochs=rows, outcome=outcome, stopped_at=stopped)
    fresh = [
        dataclasses.replace(one, epochs=[{**row, "val_accuracy": row["val_accuracy"] + 0.06} for row in one.epochs])
        if one.config == first.config
        else one
        for one in confirmed.trials[1:]
    ]
    return dataclasses.replace(confirmed, trials=[ended, *fresh])


@pytest.mark.parametrize("status", ["stopped", "diverged", "failed"])
def test_a_baseline_that_only_fresh_seeds_trained_to_the_end_wins_with_their_weights(
    confirmed: Run, status: str
) -> None:
    """A trial that did not finish has no weights, so the best of those that confirm stands for the configuration."""
    found = baseline_that_wins(confirmed, status)
    where = stand(found)
    winner = next(trial for trial in found.trials if trial.index == where.winner)
    assert (winner.source, winner.status, winner.config["lr"]) == ("confirm", "finished", 1e-3)
    assert winner.best and winner.best["val_accuracy"] == pytest.approx(0.97)
    text = page.render(found)
    assert "confirmed)" in text.split("Protocol")[0]
    assert "The search had said" not in text.split("Protocol")[0], "one epoch promised nothing of the end"
    assert printed.show([found], "md")


def test_only_finished_rows_are_in_the_family_of_tests(confirmed: Run) -> None:
    lost = [
        dataclasses.replace(trial, outcome={"outcome": "diverged", "epoch": 3})
        if (trial.source, trial.config["lr"]) == ("confirm", 1e-3)
        else trial
        for trial in confirmed.trials
    ]
    found = dataclasses.replace(confirmed, trials=lost)
    text = rendered(confirmation.section(found, stand(found)))
    assert (
        "if the two configurations are equally good on these validation images (paired t-test over the seeds). " in text
    )
    assert "adjusted by Holm" not in text, "a single pair"


def test_fresh_seeds_say_how_far_a_seed_moves_a_row_and_the_tests_allow_for_it(confirmed: Run) -> None:
    """The spread of each row beside the mean of all, with the degrees of freedom that the mean costs."""
    where = stand(confirmed)
    values = np.array([[0.94, 0.95, 0.945], [0.90, 0.91, 0.905], [0.9, 0.91, 0.9]])
    rest = values - values.mean(axis=0)
    variance, freedom = where.moved or (0.0, 0.0)
    assert variance == pytest.approx(rest.var(axis=1, ddof=1).mean() * 3 / 2)
    assert freedom == 4
    assert set(where.board["test"].dropna()) == {"allowing"}
    for text in (page.render(confirmed), printed.show([confirmed], "md")):
        assert f"another seed moved a configuration against the others by {100 * variance**0.5:.2f} points" in text
        assert "t-test that allows for the luck of the images and of the seed" in text


def test_without_fresh_seeds_it_is_not_known(seeded: Run) -> None:
    alone = dataclasses.replace(seeded, trials=seeded.trials[::3], totals=dataclasses.replace(seeded.totals, seeds=1))
    assert stand(alone).moved is None
    assert "One seed does not show how far another one moves a value" in page.render(alone)


def test_on_one_seed_every_sentence_of_a_test_is_about_trained_networks(seeded: Run) -> None:
    alone = dataclasses.replace(seeded, trials=seeded.trials[::3], totals=dataclasses.replace(seeded.totals, seeds=1))
    text = page.render(alone)
    for words in ("if the two trained networks are equally good", "It is about this one trained network"):
        assert words in text
    assert "This network is ahead" in text or "Networks that the validation images cannot tell from it" in text
    assert "in 95 % of searches" not in text
    assert "if the two configurations are equally good" in page.render(seeded)


@pytest.mark.parametrize("name", ["seeded", "confirmed"])
def test_the_choice_of_the_epoch_is_among_the_limits(name: str, request: pytest.FixtureRequest) -> None:
    """Also after averaging seeds, and of the confirmed values."""
    text = page.render(request.getfixturevalue(name))
    assert text.count("The epoch was chosen on the same images") == (2 if name == "confirmed" else 1)
    assert "what to expect" not in text


def test_one_fresh_seed_each_is_called_no_test(confirmed: Run) -> None:
    """There is a p-value of 1 for it, which is no tie."""
    seeds = [trial.seed for trial in confirmed.trials if trial.source == "confirm"]
    trials = [trial for trial in confirmed.trials if trial.source != "confirm" or trial.seed == min(seeds)]
    one = dataclasses.replace(confirmed, trials=trials, totals=dataclasses.replace(confirmed.totals, confirm_seeds=1))
    text = page.render(one)
    assert "one seed each is no test" in text.split("Protocol")[0]
    assert "noise of the seed" not in text
    assert "On fresh seeds" not in text
    assert stand(one).confirmed["first_place"].isna().all()
