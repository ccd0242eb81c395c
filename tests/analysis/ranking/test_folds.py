"""Configurations in folds: ranking, tests and words. pytest tests/analysis/ranking/test_folds.py"""

import csv
import dataclasses
import io

import numpy as np
import pytest

from analysis.diagnostics import suspects
from analysis.export import ensemble
from analysis.ranking import best, comparison, statistics
from analysis.ranking.standing import stand
from analysis.render import commands
from analysis.render.markdown import plain, rendered
from analysis.results import majority, page
from analysis.results.rows import all_records, as_csv
from analysis.results.sections import checks, confirmation
from analysis.results.sections.test_metrics import network
from tests.analysis.conftest import make_run, on_seeds
from trainables.errors import RunError

CENSUS = {"counts": {"train": [30] * 10, "val": [30] * 10, "test": [30] * 10}, "duplicates": []}


def in_folds(run, folds=3):
    """The run with a fold for each seed."""
    trials = [
        dataclasses.replace(trial, fold=place % folds + 1 + (folds if trial.confirms else 0))
        for place, trial in enumerate(run.trials)
    ]
    identity = dataclasses.replace(run.identity, folds=folds, fold_hash="abc", census=CENSUS)
    return dataclasses.replace(run, trials=trials, identity=identity)


@pytest.fixture
def folded(seeded):
    """Three configurations on three folds each."""
    return in_folds(seeded)


@pytest.fixture
def sure():
    """The same two configurations in folds, confirmed on three fresh folds each."""
    search = on_seeds(values={1e-3: (0.90, 0.91, 0.92), 5e-4: (0.94, 0.95, 0.955)})
    fresh = on_seeds("confirm", 6, {5e-4: (0.94, 0.95, 0.945), 1e-3: (0.9, 0.91, 0.9)}, 70)
    found = make_run([*search, *fresh])
    totals = dataclasses.replace(found.totals, trials=2, seeds=3, confirm=1, confirm_seeds=3)
    return in_folds(dataclasses.replace(found, totals=totals))


def test_the_corrected_test_is_the_t_test_with_a_larger_error():
    """Nadeau and Bengio: 1 / K + 1 / (K - 1) in place of 1 / K."""
    differences = np.array([0.02, 0.05, 0.03, 0.01, 0.04])
    error = differences.std(ddof=1) * (1 / 5 + 1 / 4) ** 0.5
    from scipy.stats import t

    expected = 2 * t.sf(differences.mean() / error, 4)
    wide = statistics.of_folds(5, 5)
    assert float(statistics.paired_t(differences, wide=wide)) == pytest.approx(expected)
    assert float(statistics.paired_t(differences)) < expected
    assert statistics.of_folds(5, 0) == 1


def test_folds_are_compared_by_the_corrected_test_and_have_the_wider_interval(folded, seeded):
    own, others = stand(folded).board, stand(seeded).board
    assert own["id"].tolist() == others["id"].tolist()
    assert set(own["test"][1:]) == {comparison.FOLDS}
    assert (own["p_value"][1:] > others["p_value"][1:]).all()
    assert ((own["high"] - own["low"]) > (others["high"] - others["low"])).all()
    wide = (1 + 3 / 2) ** 0.5  # of the second row, which is nobody's choice
    assert (own["high"] - own["low"])[1] == pytest.approx(wide * (others["high"] - others["low"])[1])


def test_trials_of_other_images_are_not_compared_one_by_one(folded):
    trials = stand(folded).trials
    assert trials[["low", "high"]].isna().all(axis=None)
    assert sorted(trials["fold"]) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_the_page_says_folds_wherever_it_would_say_seeds(folded):
    text = page.render(folded)
    for words in (
        "mean of 3 folds, unconfirmed", "on 3 folds each", "the mean over its folds", "each image is a validation image once",
        "the 300 training and validation images are cut into 3 folds of images",
        "paired t-test over the folds, corrected for the images that their trainings share", "Nadeau and Bengio's correction",
        "noise of the folds",
    ):  # fmt: skip
        assert words in text, words
    told = text.replace("each time on a seed of its own", "").replace("the luck of the images and of the seed", "")
    told = "\n".join(
        line
        for line in told.splitlines()
        if "--seed 0" not in line and "run_search.py" not in line and not line.startswith("| seed ")
    )
    assert "seed" not in told, [line for line in told.splitlines() if "seed" in line]


def test_a_confirmation_says_folds(sure):
    assert stand(sure).is_confirmed
    text = rendered(confirmation.section(sure, stand(sure)))
    for words in ("Confirmed on fresh folds", "3 fresh folds", "|   folds |", "corrected for the images"):
        assert words in text, words
    assert "seeds" not in text
    page_text = page.render(sure)
    assert "are trained again in full on 3 fresh folds each, cut from the same images in another way" in page_text
    assert "that of its first fold" in plain(network(sure, stand(sure)))


def test_rows_for_programs_name_the_fold(folded, seeded):
    rows = list(csv.DictReader(io.StringIO(as_csv(all_records(stand(folded))))))
    assert [row["fold"] for row in sorted(rows, key=lambda row: int(row["index"]))] == list("123123123")
    assert "fold" not in all_records(stand(seeded))[0]


def test_commands_lead_back_to_the_fold(folded):
    assert commands.train_again(folded, folded.trials[1]).endswith("--fold 2/3")
    assert "--folds 3" in commands.go_on(folded)
    assert "--seeds" not in commands.go_on(folded)


def test_winners_of_runs_in_other_folds_or_in_none_are_not_compared(folded, seeded):
    first, other = best.winner(folded), best.winner(seeded)
    assert best.chance(first, other) is None
    other = dataclasses.replace(first, seeds={seed: value - 0.01 * seed for seed, value in first.seeds.items()})
    assert best.chance(first, other)[1] == "paired over 3 folds"
    assert folded.identity.comparable != seeded.identity.comparable


def test_the_noise_of_folds_is_wider_than_that_of_seeds(folded, seeded):
    ratio = checks.noise(folded, stand(folded)) / checks.noise(seeded, stand(seeded))
    assert ratio == pytest.approx((1 + 3 / 2) ** 0.5)


def test_no_ensemble_and_no_suspects_of_folds_in_one_line(folded):
    for refused in (lambda: ensemble.members(folded, 2), lambda: suspects.find(folded, stand(folded))):
        with pytest.raises(RunError, match=r"^no (ensemble|suspects): .* folds"):
            refused()


def test_the_majority_is_held_against_all_folds_together(folded, save, tmp_path):
    """Each fold has 100 images, 90 of one class; the networks are right about 280 of 300, or about as many as it."""
    census = CENSUS | {"counts": {split: [270, 30, *[0] * 8] for split in ("train", "val", "test")}}
    identity = dataclasses.replace(folded.identity, census=census)
    for known, is_beaten in ((95, True), (91, False)):
        own = [
            dataclasses.replace(trial, epochs=[{**row, "val_accuracy": known / 100} for row in trial.epochs])
            for trial in folded.trials
        ]
        run = dataclasses.replace(folded, trials=own, identity=identity)
        folder = save(tmp_path / f"run{known}", run)
        run = dataclasses.replace(
            run, trials=[dataclasses.replace(trial, folder=folder / trial.folder) for trial in own]
        )
        labels = np.repeat([0, 1], (90, 10))
        predicted = np.where(np.arange(100) < known, labels, 0)
        for trial in run.trials:
            facts = {"correct": predicted == labels, "predicted": predicted, "labels": labels, "epoch": 1}
            np.savez(trial.folder / "val.npz", **facts)
        found = majority.majority(run, stand(run))
        assert found.is_beaten == is_beaten, known
