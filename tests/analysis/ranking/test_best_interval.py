"""The interval of a row that was picked for being the best knows of the choice, and the words say what it covers."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from analysis.ranking import best_interval, statistics
from analysis.ranking.standing import stand
from analysis.results import page
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
IMAGES = 300


def test_at_once_is_bonferronis_quantile() -> None:
    assert best_interval.at_once(1) == pytest.approx(norm.ppf(0.975))
    assert best_interval.at_once(40, 0.02) == pytest.approx(norm.ppf(1 - 0.02 / 40))


@pytest.mark.parametrize("lead", [0.2, 0.5, 2.0, 6.0])
def test_a_lead_is_what_a_normal_value_had_to_pass(lead: float) -> None:
    """Given that a value exceeds u - lead, it exceeds u with the chance that was asked for."""
    u = best_interval.given_lead(lead, 0.02)
    assert norm.sf(u) / norm.sf(u - lead) == pytest.approx(0.02, rel=1e-4)


def test_a_long_lead_leaves_the_interval_of_one_and_none_leaves_nothing() -> None:
    assert best_interval.given_lead(50.0, 0.025) == pytest.approx(norm.ppf(0.975), abs=1e-6)
    assert best_interval.given_lead(0.0, 0.025) == best_interval.FAR


def test_one_network_of_one_epoch_has_wilsons_interval() -> None:
    low, high = statistics.wilson(np.array(250), IMAGES)
    assert best_interval.of_images(250, IMAGES, 1, 1, None) == pytest.approx((float(low), float(high)))


@pytest.mark.parametrize("hits", [0, 1, 299, 300])
def test_the_interval_holds_its_value_and_stays_within_0_and_1(hits: int) -> None:
    for lead in (None, 0.0, 1.0, float(hits)):
        low, high = best_interval.of_images(hits, IMAGES, 600, 20, lead)
        assert 0 <= low <= hits / IMAGES <= high <= 1


def test_without_a_lead_the_lower_end_is_that_of_all_candidates_at_once() -> None:
    """As with early stopping: with all of the error downwards, because there is only one bound."""
    low, high = best_interval.of_images(250, IMAGES, 60, 3, None)
    assert low == pytest.approx(float(statistics.wilson(np.array(250), IMAGES, norm.ppf(1 - 0.025 / 60))[0]))
    assert high == pytest.approx(float(statistics.wilson(np.array(250), IMAGES)[1]))


def test_the_lower_end_sinks_with_more_candidates_and_rises_with_the_lead() -> None:
    ends = [best_interval.of_images(250, IMAGES, number, 1, 0.0)[0] for number in (2, 20, 200)]
    assert ends == sorted(ends, reverse=True)
    leads = [best_interval.of_images(250, IMAGES, 200, 1, lead)[0] for lead in (0.0, 15.0, 60.0)]
    assert leads == sorted(leads)
    assert leads[0] < leads[2]


def test_two_configurations_by_hand() -> None:
    """What both share is Student's of the means; the difference has the rest, with one degree of freedom for two seeds."""
    values = np.array([[0.90, 0.94], [0.88, 0.90]])
    shared = values.mean(axis=0)
    together = t.ppf(0.975, 1) * shared.std(ddof=1) / 2**0.5
    apart = (values - shared)[0].std(ddof=1) / 2**0.5
    low, high = best_interval.of_seeds(values, 2)
    assert low == pytest.approx(max(0, 0.92 - np.hypot(together, t.ppf(1 - 0.0125, 1) * apart)))
    assert high == pytest.approx(min(1, 0.92 + np.hypot(together, t.ppf(0.975, 1) * apart)))


def test_the_first_row_knows_of_the_choice_and_the_others_have_wilsons(
    rates: Callable[[], list[Trial]], run: MakeRun
) -> None:
    board = stand(run(rates())).board
    assert best_interval.networks(board) == 9
    hits = (board["val_accuracy"] * IMAGES).round().to_numpy()
    low, high = statistics.wilson(hits, IMAGES)
    assert board["low"].iloc[0] < low[0]
    assert board["low"].tolist()[1:] == pytest.approx(low[1:])
    assert board["high"].tolist() == pytest.approx(high)


def test_every_place_that_tells_the_best_tells_the_same_interval(
    rates: Callable[[], list[Trial]], run: MakeRun
) -> None:
    found = run(rates())
    best = stand(found).board.iloc[0]
    text = page.render(found)
    told = f"{100 * best['low']:.2f} to {100 * best['high']:.2f}"
    assert text.count(told) == 2, "the answer and the first row"
    assert "picked as the best of 9 candidates: each epoch of each trial is one" in text


def test_stopped_trials_could_have_been_picked_and_diverged_ones_not(trial: Make, run: MakeRun) -> None:
    trials = [trial(0, (0.5, 0.6)), trial(1, (0.4,), "stopped", epochs=2), trial(2, (), "diverged", epochs=2)]
    assert best_interval.networks(stand(run(trials)).board) == 4


def test_with_early_stopping_a_lead_proves_nothing(trial: Make, run: MakeRun) -> None:
    """What was stopped might have come first, so only the bound of all candidates is left."""
    trials = [trial(0, (0.95,)), trial(1, (0.5,))]
    free, raced = run(trials), run(trials, scheduler={"name": "sha"})
    assert stand(raced).board["low"].iloc[0] == best_interval.of_images(285, IMAGES, 2, 1, None)[0]
    assert stand(free).board["low"].iloc[0] == best_interval.of_images(285, IMAGES, 2, 1, 135.0)[0]


@pytest.mark.parametrize("source", ["tpe", "warm"])
def test_points_that_depend_on_values_are_said_not_to_be_covered(trial: Make, run: MakeRun, source: str) -> None:
    trials = [trial(0, (0.5, 0.6), source="baseline"), trial(1, (0.5, 0.7), source=source)]
    assert "so it may be too short" in page.render(run(trials))
    assert "so it may be too short" not in page.render(run([trials[0], dataclasses.replace(trials[1], source="qmc")]))


def test_seeds_that_pick_the_best_are_in_its_interval(seeded: Run, confirmed: Run) -> None:
    board, fresh = stand(seeded).board, stand(confirmed).confirmed
    values = np.array([[0.94, 0.95, 0.955], [0.90, 0.91, 0.92], [0.70, 0.71, 0.72]])
    assert (board["low"][0], board["high"][0]) == pytest.approx(best_interval.of_seeds(values, 3))
    values = np.array([[0.94, 0.95, 0.945], [0.90, 0.91, 0.905], [0.9, 0.91, 0.9]])
    assert (fresh["low"].iloc[0], fresh["high"].iloc[0]) == pytest.approx(best_interval.of_seeds(values, 3))
    assert page.render(confirmed).count("these seeds picked it as the best of 3") == 1


def test_the_only_configuration_that_finished_was_picked_from_those_that_were_stopped(seeded: Run) -> None:
    alone = [
        each if each.index < 3 else dataclasses.replace(each, stopped_at=2, outcome=None) for each in seeded.trials
    ]
    run = dataclasses.replace(seeded, trials=alone)
    board = stand(run).board
    values = np.array([each.value for each in alone[:3]])
    error = values.std(ddof=1) / 3**0.5
    assert board["low"].iloc[0] == pytest.approx(values.mean() - t.ppf(1 - 0.025 / 3, 2) * error)
    assert board["high"].iloc[0] == pytest.approx(values.mean() + t.ppf(0.975, 2) * error)
    text = page.render(run)
    assert "these seeds picked it as the best of 3." in text
    assert "the spread of the other rows" not in text


def test_a_mean_that_is_the_same_on_each_seed_has_no_interval_to_correct() -> None:
    ranked = pd.DataFrame({"val_accuracy": [0.5], "status": ["finished"], "low": [np.nan], "high": [np.nan]})
    assert best_interval.best_configuration(ranked, np.full((2, 3), 0.5)) is ranked
