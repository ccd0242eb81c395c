"""A folder of two classes, 50 to 1, searched by balanced accuracy: pytest tests/search/test_search_by_metric.py"""

import re
from dataclasses import replace

import numpy as np
import pytest

from analysis.__main__ import app
from analysis.frame import remeasured, valued
from analysis.ranking.standing import stand
from analysis.results import page as results
from analysis.results import printed
from analysis.verify.run_folder import verify
from search.run.confirmation import is_complete
from spaces import Space, choice
from tests.search import without_ray
from trainables.cli.execution import execute
from trainables.data.loading import Dataset, Split
from trainables.objective import ACCURACY, BALANCED_ACCURACY, MACRO_F1

SPACE = Space(
    params={"model": "mlp", "depth": 1, "width": 16, "lr": 3e-3, "optimizer": "adamw", "schedule": "constant", "augment": "none",
            "batch_size": 64, "class_weight": choice("none", "balanced")},
    baseline={"class_weight": "none"}, epochs=6,
)  # fmt: skip


def part(count, seed):
    """One picture in 51 is of the rare class, and a little brighter than most, as many others are."""
    random = np.random.default_rng(seed)
    labels = (np.arange(count) % 51 == 0).astype(np.int64)
    images = np.broadcast_to(random.normal(110 + 40 * labels, 20)[:, None, None, None], (count, 32, 32, 3))
    return Split(images.clip(0, 255).astype(np.uint8), labels)


@pytest.fixture(scope="module")
def lopsided():
    train, val = part(1020, 1), part(1020, 2)
    counts = {name: np.bincount(own.labels).tolist() for name, own in {"train": train, "val": val, "test": val}.items()}
    return Dataset(
        name="rare", train=train, val=val, classes=("usual", "rare"), mean=(0.47,) * 3, std=(0.23,) * 3, fingerprint="1" * 64,
        sizes={"train": 1020, "val": 1020, "test": 0}, census={"counts": counts, "duplicates": []},
    )  # fmt: skip


@pytest.fixture(scope="module")
def searched(lopsided, settings, tmp_path_factory):
    import torch

    torch.set_num_threads(1)
    asked = {
        objective: settings(space=SPACE, dataset_short="rare", objective=objective)
        for objective in (BALANCED_ACCURACY, ACCURACY)
    }
    folder = tmp_path_factory.mktemp("rare")
    return {objective: without_ray.search(folder / objective.metric, own, lopsided) for objective, own in asked.items()}


def test_the_winner_finds_the_rare_class_and_that_of_accuracy_need_not(searched):
    run = searched[BALANCED_ACCURACY]
    assert is_complete(run)
    where = stand(run)
    best = next(trial for trial in run.trials if trial.index == where.winner)
    assert best.config["class_weight"] == "balanced"
    found = np.load(best.folder / "val.npz")
    rare = found["labels"] == 1
    assert found["correct"][rare].mean() >= 0.7
    other = next(trial for trial in run.trials if trial is not best)
    assert not np.load(other.folder / "val.npz")["correct"][rare].mean() > 0.5
    assert verify(run.folder) == []


def test_rows_have_intervals_and_a_paired_test_over_the_images(searched):
    board = stand(searched[BALANCED_ACCURACY]).board
    assert board[["low", "high"]].notna().all(axis=None)
    assert board["test"].iloc[1] == "resampled"
    assert board["p_value"].iloc[1] < 0.001
    assert list(board["tied"]) == [True, False]
    assert (board["low"] < valued.values(board)).all()


def test_results_say_what_they_are_of(searched):
    text = results.render(searched[BALANCED_ACCURACY])
    assert re.search(
        r"validation balanced accuracy\*\* \(95 % interval [0-9. to]+ %; 1,020 images, 1 seed, unconfirmed\)\.", text
    )
    assert "Always saying the most common class, usual, has a balanced accuracy of 50.00 %." in text
    assert "val balanced accuracy %" in text
    assert "Student's with the spread over 400 draws of the images, or of whole groups of them" in text
    assert "t-test of the difference over 400 draws" in text
    assert "There are no test images, so the winner has no test score." in text
    assert "there are no test images, so there is no test score; data fingerprint" in re.sub(r"\s+", " ", text)
    assert "--metric balanced_accuracy" in text


def test_the_majority_stands_beside_the_accuracy(searched):
    text = results.render(searched[ACCURACY])
    assert "Always saying the most common class, usual, is right about 98.04 % of these images" in text


@pytest.mark.parametrize("objective", [MACRO_F1, BALANCED_ACCURACY])
def test_a_search_by_accuracy_is_ranked_by_another_metric_without_training(searched, objective):
    run, told = remeasured.by(searched[ACCURACY], objective)
    board = stand(run).board
    assert told.startswith("accuracy: ranked by ")
    assert len(board) == 2
    assert f"val {objective.metric.replace('_', ' ').replace('f1', 'F1')}" in printed.show([run], "md")
    values = {trial.config["class_weight"]: trial.value for trial in run.trials}
    assert (values["balanced"] > values["none"] == 0.5) or objective == MACRO_F1


def test_searches_by_different_metrics_are_compared_by_one_of_them(searched, capfd):
    """By images that are drawn again, because McNemar's test counts what macro F1 is no share of."""
    folders = [str(searched[each].folder) for each in (ACCURACY, BALANCED_ACCURACY)]
    assert execute(app, "analysis", ["compare", *folders, "--metric", "macro_f1"]) == 0
    out, err = capfd.readouterr()
    assert err.count("ranked by macro F1, of the epoch that each trial kept by its ") == 2
    assert "val_macro_f1" in out
    assert "The same winner: class_weight none." in out
    assert execute(app, "analysis", ["compare", *folders]) == 5  # their values are of different kinds


def test_trials_without_predictions_are_left_out_and_counted(searched, tmp_path):
    run = searched[ACCURACY]
    gone = [replace(trial, folder=tmp_path / "gone") if trial.index else trial for trial in run.trials]
    found, told = remeasured.by(replace(run, trials=gone), MACRO_F1)
    assert len(found.trials) == 1
    assert told.endswith("1 trial is left out, because it kept no predictions.")
    lost = [replace(trial, outcome={"outcome": "diverged", "epoch": 9}) if trial.index else trial for trial in gone]
    found, told = remeasured.by(replace(run, trials=lost), MACRO_F1)
    assert [trial.status for trial in found.trials] == ["finished", "diverged"], "it decides its configuration's status"
    assert "left out" not in told


def test_labels_that_are_not_kept_follow_from_the_census(searched, tmp_path):
    trial = searched[ACCURACY].trials[0]
    with np.load(trial.folder / "val.npz") as arrays:
        np.savez(tmp_path / "val.npz", **{name: arrays[name] for name in arrays.files if name != "labels"})
    old = replace(trial, folder=tmp_path)
    for objective in (MACRO_F1, BALANCED_ACCURACY):
        both = [remeasured.value_of(searched[ACCURACY], each, objective) for each in (trial, old)]
        assert both[0] == pytest.approx(both[1], abs=1e-12)
