"""Frames of films are no independent pictures: intervals and tests go by groups. pytest tests/analysis/ranking/test_groups.py

Each of 30 films has ten frames that are one and the same picture, so that 300 images say as much as 30.
"""

import dataclasses

import numpy as np
import pytest

from analysis.cli import reproduce
from analysis.export import model_card
from analysis.ranking import best, pairing, resampling, statistics
from analysis.ranking.standing import stand
from analysis.render.markdown import plain
from analysis.results import majority, page
from analysis.results.sections import checks
from analysis.results.sections.test_metrics import overall
from trainables.objective import ACCURACY, MACRO_F1

FILMS = np.repeat(np.arange(30), 10)
GROUPS = {"by": "film[0-9]+", "train": 200, "shared": {}, "val": FILMS.tolist()}
LABELS = np.repeat([0, 1], (240, 60))
COUNTS = {split: [240, 60, *[0] * 8] for split in ("train", "val", "test")}


@pytest.fixture
def films(trial, run, save, tmp_path):
    """Three networks that are right about 28, 25 and 20 films, kept with their predictions; with groups or without."""

    def made(groups=True, known=(28, 25, 20), name="films"):
        trials = [trial(place, (number / 30,), lr=0.1 / (place + 1)) for place, number in enumerate(known)]
        census = {"counts": COUNTS, "duplicates": []} | ({"groups": GROUPS} if groups else {})
        found = run(trials, census=census)
        folder = save(tmp_path / f"{name}{groups}", found)
        own = [dataclasses.replace(each, folder=folder / each.folder) for each in trials]
        for each, number in zip(own, known, strict=True):
            is_right = number > (FILMS * 7 % 30)
            predicted = np.where(is_right, LABELS, 1 - LABELS)
            np.savez(each.folder / "val.npz", correct=is_right, predicted=predicted, labels=LABELS, epoch=1)
        return dataclasses.replace(found, trials=own)

    return made


def test_an_interval_by_groups_is_wider_by_the_root_of_the_frames_of_a_film(films):
    wide, narrow = (stand(films(groups)).board for groups in (True, False))
    ratios = ((wide["high"] - wide["low"]) / (narrow["high"] - narrow["low"]))[
        1:
    ]  # the first also covers its choice there
    assert ratios.between(0.8 * 10**0.5, 1.2 * 10**0.5).all(), ratios


def test_rows_that_frames_tell_apart_are_ties_by_films(films):
    wide, narrow = (stand(films(groups)).board for groups in (True, False))
    assert wide["tied"].tolist()[:2] == [True, True]
    assert narrow["tied"].tolist() == [True, False, False]


def test_the_noise_goes_by_groups(films):
    same = films(True, known=(28, 25, 25), name="same")
    assert checks.noise(same, stand(same)) == pytest.approx((3 / 30 / 30 / 2) ** 0.5, rel=0.25)  # three films of thirty


def test_rows_that_were_not_compared_are_no_ties(films, monkeypatch):
    monkeypatch.setattr(resampling, "MOST", 2)
    run = films()
    board = stand(run).board
    assert board["tied"].tolist() == [True, True, False]
    assert board["test"].tolist()[1:] == ["resampled", "lost"]
    assert board["p_value"].notna().tolist() == [False, True, False]
    text = page.render(run)
    assert "cannot tell from it: " in text
    assert " 1 further network was not compared." in text
    assert "cannot tell the best network from the other." in text


@pytest.mark.parametrize("gone", [(0,), (0, 1, 2)])
def test_a_best_row_whose_predictions_are_lost_is_said_to_be_untested(films, gone):
    run = films()
    for place in gone:
        (run.trials[place].folder / "val.npz").unlink()
    text = page.render(run)
    assert "It is first by its value only: no test was made, because predictions are lost." in text
    assert "Intervals and tests need the predictions and labels of the best network, which are not kept." in text
    assert "Wilson's" not in text


def test_a_single_network_by_groups_has_no_interval_of_wilsons(films):
    text = page.render(films(known=(28,)))
    assert "Student's with the spread over 400 draws" in text
    assert "Wilson's" not in text


def test_a_best_that_is_ahead_of_all_by_groups_is_told_to_take_fresh_seeds_too(films):
    """Where no row ties with the best, the noise is that of all rows."""
    run = films(known=(29, 9, 6), name="ahead")
    (found,) = checks.spread(run, stand(run))
    assert stand(run).board["tied"].tolist() == [True, False, False]
    assert "The best network is ahead of each of the 2 others" in found.text
    assert (found.is_well, "--confirm" in found.command) == (False, True)


def test_by_groups_no_test_is_said_to_be_of_configurations_also_after_a_confirmation(films):
    """Fresh seeds show how far a seed moves a row, but tests by groups do not use it."""
    run = films()
    fresh = [
        dataclasses.replace(
            each, index=3 + 2 * place + seed, seed=70 + seed, source="confirm", id=f"fresh{place}{seed}"
        )
        for place, each in enumerate(run.trials[:2])
        for seed in range(2)
    ]
    totals = dataclasses.replace(run.totals, confirm=2, confirm_seeds=2)
    run = dataclasses.replace(run, trials=[*run.trials, *fresh], totals=totals)
    where = stand(run)
    assert where.is_confirmed
    assert where.moved is not None
    text = plain(tuple(page.meaning(run, where).values()))
    assert "Intervals, p and places are about these trained networks" in text
    assert "p and places are about their configurations" not in text


def test_winners_of_two_runs_are_compared_by_groups(films):
    first, other = (best.winner(films(known=known, name=str(known[0]))) for known in ((28, 20), (24, 20)))
    by_films, how = best.chance(first, other)
    assert how == "paired, by drawing the same groups of images again, of these two trained networks"
    by_frames, _ = best.chance(*(best.winner(films(False, known, str(known[0]))) for known in ((28, 20), (24, 20))))
    assert by_frames < 1e-9 < 0.01 < by_films


def test_a_repetition_is_held_against_the_noise_of_groups(films):
    run = films(known=(28, 26))
    one, two = run.trials
    told = [reproduce.is_noise(one, two.epochs, two.folder, 300, groups) for groups in (FILMS.tolist(), ())]
    assert told == [True, False]


def test_the_majority_is_held_against_films(films):
    """Right about 27 films where always saying the most common class is right about 24: nothing is shown by that."""
    by_films, by_frames = (majority.majority(run, stand(run)) for run in (films(True, (27,)), films(False, (27,))))
    assert (by_films.is_beaten, by_films.p_value > 0.2) == (False, True)
    assert by_frames.p_value < by_films.p_value / 2


def test_a_sum_over_groups_counts_once():
    random = np.random.default_rng(1)
    once = random.normal(0.3, 1, 30)
    from scipy.stats import ttest_1samp

    expected = ttest_1samp(once, 0).pvalue
    assert statistics.grouped_t(np.repeat(once, 10), FILMS) == pytest.approx(expected)
    assert statistics.grouped_t(once, np.arange(30)) == pytest.approx(expected)
    assert statistics.grouped_t(np.ones(10), np.zeros(10, int)) == 1  # a single group shows nothing


@pytest.mark.parametrize("groups", [(), FILMS.tolist()])
def test_another_metric_is_compared_by_draws_also_between_runs(films, groups):
    """McNemar's test counts images that are right, which macro F1 is no share of."""
    one, two = films(bool(groups), known=(28, 20)).trials
    sides = []
    for each in (one, two):
        with np.load(each.folder / "val.npz") as kept:
            value = f1(kept["labels"], kept["predicted"])
        sides.append((each.folder, {"epoch": 1, MACRO_F1.column: value}))
    p_value = pairing.drawn_again(*sides, 300, MACRO_F1, groups)
    assert p_value < (0.05 if groups else 1e-6)
    (one.folder / "val.npz").unlink()
    assert pairing.drawn_again(*sides, 300, MACRO_F1, groups) is None


def f1(labels, predicted):
    from trainables.training.class_metrics import measure

    return measure(MACRO_F1.column, labels, predicted, 2)


def test_where_nothing_goes_by_groups_there_is_no_interval(films):
    metrics = {"accuracy": 0.9, "count": 300, "confusion_matrix": [[240, 0], [30, 30]], "macro_f1": 0.8}
    metrics |= {"per_class_accuracy": [1, 0.5]}
    assert "95 % interval" in overall(metrics, ACCURACY).rows[0][1]
    assert (
        overall(metrics, ACCURACY, in_groups=True).rows[0][1] == "90.00 % (no interval, as the images come in groups)"
    )
    run = films(known=(28, 20))
    (run.trials[1].folder / "val.npz").unlink()  # so that nothing tells by groups, either
    for place, known in ((0, True), (1, False)):
        assert ("interval" in model_card.on_validation(run, run.trials[place], stand(run))) == known
