"""What is shown of a search whose objective is the validation loss, where accuracy would say the opposite.

pytest tests/analysis/test_loss.py
"""

import dataclasses
import json
import re

import numpy as np
import pytest

from analysis.export import model_card
from analysis.frame import valued
from analysis.frame.dataframe import load
from analysis.mirrors import notifications
from analysis.plots import drawing_process, kinds, learning_curves, progress
from analysis.ranking import row_order, standing
from analysis.ranking.best import chance, winner
from analysis.ranking.standing import stand
from analysis.render.markdown import percent
from analysis.report import html_page
from analysis.results import page as results
from analysis.results import printed
from analysis.verify.run_folder import verify
from analysis.views import compare, selection, show
from analysis.views.selection import Selection
from search.run import ledger
from trainables.errors import RunError
from trainables.objective import ACCURACY, LOSS

LOSSES = {0: (0.7, 0.3, 0.35), 1: (0.8, 0.5, 0.45), 2: (0.9, 0.65, 0.6)}  # the best loss first
NUMBERS = ("0.3000", "0.4500", "0.6000")
RANKS_BY_ACCURACY = re.compile(
    r"val %|Δ pp|\bpp\b|[0-9] points|Wilson|McNemar|highest|validation accuracy|best accuracy", re.IGNORECASE
)


def as_loss(trial, losses):
    """A trial with these losses; where the loss is low, so is the accuracy."""
    rows = [
        row | {"val_loss": loss, "val_accuracy": round(300 * loss) / 300}
        for row, loss in zip(trial.epochs, losses, strict=True)
    ]
    return dataclasses.replace(trial, epochs=rows, objective=LOSS)


@pytest.fixture
def losing(trial, run):
    """Three finished trials and one that was stopped, ranked by loss."""
    rates = (1e-3, 5e-4, 1e-4)
    trials = [
        as_loss(trial(index, losses, lr=rate, source="grid" if index else "baseline"), losses)
        for (index, losses), rate in zip(LOSSES.items(), rates, strict=True)
    ]
    stopped = as_loss(trial(3, (0.95,), "stopped", epochs=3, lr=0.1), (0.95,))
    return run(
        [*trials, stopped],
        objective=LOSS.record(),
        torch="2",
        scheduler={"name": "asha", "grace_period": 1, "reduction_factor": 3},
    )


@pytest.fixture
def on_seeds(seeded):
    """Three configurations on three seeds each, with the losses 1 - accuracy."""
    trials = [as_loss(each, [1 - row["val_accuracy"] for row in each.epochs]) for each in seeded.trials]
    return dataclasses.replace(seeded, trials=trials, identity=dataclasses.replace(seeded.identity, objective=LOSS))


@pytest.fixture
def on_fresh_seeds(confirmed):
    """The same of a confirmation."""
    trials = [as_loss(each, [1 - row["val_accuracy"] for row in each.epochs]) for each in confirmed.trials]
    return dataclasses.replace(
        confirmed, trials=trials, identity=dataclasses.replace(confirmed.identity, objective=LOSS)
    )


def test_trials_are_ranked_by_their_least_loss(losing):
    where = stand(losing)
    assert list(where.board["index"]) == [0, 1, 2, 3]
    assert list(valued.values(where.board)) == [0.3, 0.45, 0.6, 0.95]
    assert list(where.board["best_epoch"]) == [2, 3, 3, 1]
    by_accuracy = dataclasses.replace(losing, identity=dataclasses.replace(losing.identity, objective=ACCURACY))
    trials = [dataclasses.replace(each, objective=ACCURACY) for each in losing.trials]
    assert list(stand(dataclasses.replace(by_accuracy, trials=trials)).board["index"]) == [2, 1, 0, 3]


def test_what_counts_images_is_left_out_and_said(losing):
    board = stand(losing).board
    assert board[["low", "high", "p_value", "first_place"]].isna().all(axis=None)
    assert list(board["tied"]) == [True, False, False, False]
    text = results.render(losing)
    assert text.count("Intervals and tests over images are left out, because the value of each image is not kept.") == 1
    assert "95 % interval" not in text


def test_results_have_the_words_and_the_numbers_of_a_loss(losing):
    text = results.render(losing)
    assert "0.3000 validation loss** (300 images, 1 seed, unconfirmed)." in text
    assert "| val loss | Δ loss |" in re.sub(" +", " ", text)
    assert "+0.1500" in text
    assert "its value is the loss on 300 validation images" in text
    assert "![Validation loss by epoch]" in text
    assert "lower is better" in text
    assert "expect worse from it" in text
    assert not RANKS_BY_ACCURACY.search(text), RANKS_BY_ACCURACY.findall(text)
    assert all(number in text for number in NUMBERS)


def test_the_files_name_the_loss(losing):
    where = stand(losing)
    rows = json.loads(printed.show_one(losing, "json", where))
    assert [row["val_loss"] for row in rows] == [0.3, 0.45, 0.6, 0.95]
    assert {"val_loss_low", "val_loss_high", "val_accuracy"} <= rows[0].keys()
    assert "val_accuracy_low" not in rows[0]


def test_configurations_on_seeds_are_compared_by_their_losses(on_seeds):
    board = stand(on_seeds).board
    assert valued.values(board).round(6).tolist() == [0.051667, 0.09, 0.29]
    assert (board["low"] < valued.values(board)).all()
    assert (valued.values(board) < board["high"]).all()
    assert board["p_value"].iloc[2] < 0.05
    assert (board["first_place"].iloc[0], board["last_place"].iloc[2]) == (1, 3)
    text = results.render(on_seeds)
    assert "mean loss over 3 seeds" in text
    assert "below its true value" in text
    assert "each at its own best epoch; lower is better. " in text
    assert not RANKS_BY_ACCURACY.search(text), RANKS_BY_ACCURACY.findall(text)


def test_the_interval_of_the_best_loss_is_that_of_the_best_accuracy_turned_round(on_seeds, seeded):
    losses, accuracies = stand(on_seeds).board, stand(seeded).board
    assert list(losses["group"]) == list(accuracies["group"])
    assert np.allclose(losses["low"], 1 - accuracies["high"])
    assert np.allclose(losses["high"], 1 - accuracies["low"])
    for column in ("p_value", "first_place", "last_place", "tied"):
        assert np.allclose(losses[column].astype(float), accuracies[column].astype(float), equal_nan=True)


def test_fresh_seeds_confirm_the_least_loss(on_fresh_seeds, confirmed):
    where = stand(on_fresh_seeds)
    assert list(where.confirmed["group"]) == list(stand(confirmed).confirmed["group"])
    text = results.render(on_fresh_seeds)
    line = re.sub(" +", " ", text)
    assert "| confirmed loss | 95 % interval | Δ loss | p | search loss | drop loss |" in line
    assert "drop: the confirmed value minus the search's" in text
    assert not RANKS_BY_ACCURACY.search(text), RANKS_BY_ACCURACY.findall(text)


def test_the_page_has_the_same_words(losing):
    page = html_page.page(losing)
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert data["value"] == {"name": "validation loss", "is_percent": False, "is_less_better": True}
    assert data["trials"][0]["curve"] == [0.7, 0.3, 0.35]
    visible = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    assert '<th scope="col" data-name="val_loss"><button type="button">val loss</button></th>' in visible
    assert not RANKS_BY_ACCURACY.search(visible), RANKS_BY_ACCURACY.findall(visible)


def test_plots_have_the_loss_on_their_axis_and_a_dot_where_it_is_least(losing):
    where = stand(losing)
    found = learning_curves.picture(losing, where)
    assert found["top"][0]["points"] == [(1, 0.7), (2, 0.3), (3, 0.35)]
    assert found["top"][0]["label"].startswith(f"1 · {losing.trials[0].id} · 0.3000 · lr")
    low, high = learning_curves.limits(found)
    assert low < 0.3
    assert 0.95 < high < 1.1
    assert drawing_process.draw("learning_curves", found).startswith(b"<?xml")
    own = kinds.pictures(losing, where)
    assert own["parameters"]["axis"]["name"] == "validation loss"
    assert kinds.title_of("parameters", LOSS) == "Validation loss against each searched parameter"


def test_progress_goes_down(trial, run):
    values = (0.9, 0.5, 0.7, 0.2)
    trials = [as_loss(trial(index, (value,), lr=1e-3 / (1 + index)), (value,)) for index, value in enumerate(values)]
    picture = progress.picture(run(trials, objective=LOSS.record()), None)
    assert picture["points"] == [(1, 0.9), (2, 0.5), (4, 0.2), (4, 0.2)]


def test_importance_is_that_of_the_least_losses(drawn):
    """A parameter that alone decides about the loss matters, and its best level is the one with the least."""
    made = drawn("mlp_random", 60, lambda config, dice: 0.9 - 0.5 * min(1, config["lr"] * 10) + 1e-3 * dice.random())
    trials = [as_loss(each, [1 - row["val_accuracy"] for row in each.epochs]) for each in made.trials]
    by_loss = dataclasses.replace(made, trials=trials, identity=dataclasses.replace(made.identity, objective=LOSS))
    text, other = results.render(by_loss), results.render(made)

    def importances(page):
        rows = re.findall(r"^\| (\w+) +\| +([*\d.]+) \| +([\d.]+) \| +([\d.]+) \|", page, flags=re.MULTILINE)
        assert rows
        return rows

    assert importances(text) == importances(other)
    assert "The best are chosen by their best loss" in text
    assert "shuffles of the losses" in text


def test_one_trial_is_shown_with_its_loss(losing):
    text = show.show(losing, losing.trials[0], "md")
    assert "0.3000 validation loss at epoch 2; 3 of 3 epochs trained" in text
    assert "## Validation loss by epoch" in text
    assert not RANKS_BY_ACCURACY.search(text)


def test_the_leaderboard_lists_the_loss(losing):
    text = selection.listed([losing], "md", Selection(sort="val_loss", top=2))
    assert "val_loss" in text
    assert "val_accuracy" not in text
    assert "val loss" in printed.show([losing], "md")


def test_runs_by_loss_are_compared_by_loss(losing, tmp_path):
    other = dataclasses.replace(losing, folder=tmp_path / "other", trials=losing.trials[1:])
    text = compare.show([other, losing], "md", Selection())
    assert "## Best validation loss by epochs spent" in text
    assert f"{losing.name} lies 0.1500 below other: not tested" in text
    assert not RANKS_BY_ACCURACY.search(text), RANKS_BY_ACCURACY.findall(text)
    rows = json.loads(compare.show([other, losing], "json", Selection()))
    assert [(row["run"], row["val_loss"]) for row in rows] == [(losing.name, 0.3), ("other", 0.45)]
    assert [point["best_so_far"] for point in rows[0]["curve"]] == sorted(
        (point["best_so_far"] for point in rows[0]["curve"]), key=lambda value: (value is not None, -(value or 0))
    )
    assert chance(winner(losing), winner(other)) is None


def test_runs_of_unlike_objectives_are_ranked_apart_and_not_compared(losing, rates, run, tmp_path):
    other = dataclasses.replace(run(rates()), folder=tmp_path / "other")
    with pytest.raises(RunError, match="ranked by different metrics"):
        compare.show([losing, other], "md", Selection())
    text = printed.show([losing, other], "md")
    assert "ranked apart" in text
    assert "val loss" in text
    assert "val %" in text


def test_a_frame_of_both_knows_each_objective(losing, rates, run):
    frame = load([losing, run(rates())])
    assert list(frame["objective"].map(str)) == ["val_loss"] * 4 + ["val_accuracy"] * 3
    assert list(row_order.best_first(frame[:4])["index"]) == [0, 1, 2, 3]


def test_news_are_of_a_lower_loss(losing):
    before = dataclasses.replace(losing, trials=losing.trials[1:])
    (told,) = notifications.news(losing, before, is_end=False)
    assert told["text"].endswith("with 0.3000 validation loss")
    assert told["trial"]["val_loss"] == 0.3
    assert notifications.news(before, losing, is_end=False) == []


def test_the_ledger_is_read_and_verified_by_its_loss(losing, save, tmp_path):
    folder = save(tmp_path / "runs" / "t", losing)
    own = ledger.read(folder)
    assert [each.value for each in own.trials[:3]] == [0.3, 0.45, 0.6]
    (folder / "results.json").write_text(printed.show_one(own, "json", stand(own)))
    assert not any("val_loss" in problem or "rank" in problem for problem in verify(folder))
    text = (folder / "results.json").read_text().replace('"val_loss": 0.3,', '"val_loss": 0.35,')
    (folder / "results.json").write_text(text)
    assert any("best epoch and val_loss are not the ledger's (2, 0.3)" in problem for problem in verify(folder))


def test_a_ledger_with_a_loss_that_is_no_number_is_damaged(losing, save, tmp_path):
    folder = save(tmp_path / "runs" / "t", losing)
    path = folder / losing.trials[0].folder / "epochs.jsonl"
    path.write_text(path.read_text().replace('"val_loss": 0.3,', '"val_loss": "low",'))
    with pytest.raises(RunError, match=r"epochs\.jsonl:2: val_loss is 'low'"):
        ledger.read(folder)


def test_a_card_says_what_chose_the_network_and_has_its_accuracy(on_fresh_seeds):
    best = next(each for each in on_fresh_seeds.trials if each.index == stand(on_fresh_seeds).winner)
    rows = model_card.numbers(on_fresh_seeds, best, stand(on_fresh_seeds), None)
    assert not any("nan" in cell for row in rows for cell in row)
    assert rows[0][2].startswith(percent(best.best["val_accuracy"]))
    fresh = [row["val_accuracy"] for each in standing.confirmations(on_fresh_seeds, best) for row in [each.best]]
    assert rows[-1][2] == percent(sum(fresh) / len(fresh))
    caution = model_card.caution(on_fresh_seeds, best, False)
    assert "chosen by validation loss" in caution
    assert "values of fresh seeds" in caution
    alone = dataclasses.replace(on_fresh_seeds, trials=on_fresh_seeds.search_trials, tests=[])
    assert not re.search("fresh seeds|test images", model_card.caution(alone, best, False))
