"""Starting from the best points of an earlier run: pytest tests/search/run/test_warm_start.py"""

import dataclasses
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from search.run import ledger, opening, warm_start
from spaces import Space, choice, loguniform
from trainables.errors import RunError
from trainables.files import durable

EARLIER = Space(params={"model": "mlp", "lr": loguniform(1e-4, 1.0)}, baseline={"lr": 0.1}, epochs=2)
LATER = Space(
    params={"model": "mlp", "lr": loguniform(1e-3, 1.0), "width": choice(64, 128)},
    baseline={"lr": 0.01, "width": 64},
    epochs=2,
)


@pytest.fixture
def earlier(tmp_path, toy, settings):
    """A run of eight trials: the later planned, the better; the last two were stopped after an epoch."""
    path = tmp_path / "earlier"
    path.mkdir()
    run = opening.open_run(path, settings(space=EARLIER, algorithm="random", num_samples=8), toy, on_gpu=False)
    for trial in run.trials:
        trial.folder.mkdir(parents=True)
        rows = [{"epoch": epoch, "val_accuracy": trial.index / 10} for epoch in (1, 2)]
        rows = rows[:1] if trial.index >= 6 else [*rows, {"outcome": "finished"}]
        durable.append(trial.folder / "epochs.jsonl", *rows)
    for index in (6, 7):
        decision = {"sequence": index, "trial": index, "epoch": 1, "value": 0.1, "cutoff": None, "decision": "stop"}
        durable.append(path / "decisions.jsonl", decision)
    return ledger.read(path)


@pytest.fixture
def asked(settings, tmp_path):
    return settings(space=LATER, algorithm="random", num_samples=8, runs_dir=tmp_path, name="later")


def open_later(asked, toy, name):
    """What run_search.py does before it trains."""
    path = asked.runs_dir / asked.run_name
    found, notes = warm_start.start(path, asked, name)
    path.mkdir(exist_ok=True)
    return opening.open_run(path, replace(asked, warm=found), toy, on_gpu=False), notes


def test_the_best_points_come_right_after_the_baseline(earlier, asked, toy):
    run, notes = open_later(asked, toy, "earlier")
    best = [earlier.trials[index].config["lr"] for index in (5, 4, 3, 2, 1, 0, 7, 6)]
    inside = [lr for lr in best if lr >= 1e-3][: warm_start.BEST]
    assert [trial.source for trial in run.trials] == [
        "baseline",
        *["warm"] * len(inside),
        *["random"] * (7 - len(inside)),
    ]
    assert [trial.config["lr"] for trial in run.trials[1 : 1 + len(inside)]] == inside
    assert {trial.config["width"] for trial in run.trials[1 : 1 + len(inside)]} == {64}
    assert len(notes) == best.index(inside[-1]) + 1 - len(inside) > 0
    assert all("lr outside the space" in note for note in notes)


def test_finished_trials_come_before_stopped_ones(earlier):
    assert [trial.index for trial in warm_start.best(earlier)] == [5, 4, 3, 2, 1, 0, 7, 6]


def test_going_on_does_not_read_the_earlier_run_again(earlier, asked, toy):
    first, _ = open_later(asked, toy, "earlier")
    shutil.rmtree(earlier.folder)
    for name in (None, "earlier"):
        assert open_later(replace(asked, num_samples=9), toy, name)[0].trials[:8] == first.trials


def test_another_start_is_another_search(earlier, asked, toy, settings):
    open_later(asked, toy, "earlier")
    with pytest.raises(RunError, match="it was started from earlier"):
        open_later(asked, toy, "another")
    cold = replace(asked, name="cold")
    open_later(cold, toy, None)
    with pytest.raises(RunError, match="it was started without --warm-start"):
        open_later(cold, toy, "earlier")


def test_a_run_that_is_not_there_is_named(asked, toy):
    with pytest.raises(RunError, match=r"unknown run 'nowhere': .* holds no run"):
        open_later(asked, toy, "nowhere")


def test_tpe_starts_from_them_too(earlier, asked, toy):
    run, _ = open_later(replace(asked, algorithm="tpe"), toy, "earlier")
    assert run.trials[1].source == "warm"
    assert {trial.source for trial in run.trials} == {"baseline", "warm"}
    assert open_later(replace(asked, algorithm="tpe"), toy, None)[0].trials == run.trials


def test_what_the_constraint_refuses_is_left_out(earlier, asked, toy):
    limited = replace(LATER, constraint=lambda config: config["lr"] < 0.02)
    points, notes = warm_start.take_over(limited, earlier)
    allowed = [trial.config["lr"] for trial in warm_start.best(earlier) if 1e-3 <= trial.config["lr"] < 0.02]
    assert [point["lr"] for point in points] == allowed
    assert len(points) + len(notes) == len(earlier.trials)
    assert any("the constraint does not allow it" in note for note in notes)


def finished(index, lr, seed, value, source="random"):
    """A trial of a configuration on one seed."""
    config = {"model": "mlp", "lr": lr, "epochs": 2}
    rows = [{"epoch": epoch, "val_accuracy": value} for epoch in (1, 2)]
    return ledger.Trial(index, f"{index:06d}", config, seed, source, Path(), rows, {"outcome": "finished"}, None)


def test_a_configuration_counts_by_the_mean_over_its_seeds(earlier):
    trials = [finished(0, 0.1, 0, 0.9), finished(1, 0.1, 1, 0.6), finished(2, 0.2, 0, 0.8), finished(3, 0.2, 1, 0.71)]
    assert [trial.index for trial in warm_start.best(replace(earlier, trials=trials))] == [2, 0]
    trials[3] = finished(3, 0.2, 1, 0.69)
    assert [trial.index for trial in warm_start.best(replace(earlier, trials=trials))] == [0, 2]


def test_what_fresh_seeds_confirmed_comes_first_in_their_order(earlier):
    searched = [finished(index, lr, 0, value) for index, (lr, value) in enumerate([(0.1, 0.9), (0.2, 0.8), (0.3, 0.7)])]
    fresh = [finished(3, 0.2, 7, 0.5, "confirm"), finished(4, 0.3, 7, 0.6, "confirm")]
    assert [trial.index for trial in warm_start.best(replace(earlier, trials=[*searched, *fresh]))] == [2, 1, 0]


def test_points_outside_make_room_for_the_next_best_inside(earlier):
    low = replace(LATER, params={"model": "mlp", "lr": loguniform(1e-4, 1e-3)}, baseline={"lr": 5e-4})
    trials = [finished(index, 0.1 + 0.1 * index, 0, 0.9) for index in range(9)]
    trials.append(finished(9, 3e-4, 0, 0.1))
    points, notes = warm_start.take_over(low, replace(earlier, trials=trials))
    assert points == [{"lr": 3e-4}]
    assert len(notes) == warm_start.BEST + 1
    assert notes[-1] == "warm start: 4 more are left out"


def test_another_data_set_starts_from_it_all_the_same(earlier, asked, toy):
    points, _ = warm_start.take_over(
        LATER, replace(earlier, identity=dataclasses.replace(earlier.identity, fingerprint="f" * 64))
    )
    assert points == warm_start.take_over(LATER, earlier)[0]
    run, _ = open_later(asked, replace(toy, name="others", fingerprint="f" * 64), "earlier")
    assert [trial.source for trial in run.trials].count("warm") == len(points) > 0
