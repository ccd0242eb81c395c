"""The best configurations again on fresh seeds: pytest tests/search/run/test_confirmation.py"""

import pytest

from search.run import confirmation, ledger, opening
from search.run.confirmation import is_complete
from trainables.files import durable


@pytest.fixture
def start(tmp_path, toy, settings):
    """Open the run, as a search does."""
    return lambda **asked: opening.open_run(tmp_path, settings(epochs=1, **asked), toy, on_gpu=False)


def train(run, values):
    """End every trial that has not ended: with the value for its rate, or as what is said instead."""
    for trial in run.trials:
        if not trial.ended:
            trial.folder.mkdir(parents=True, exist_ok=True)
            value = values[trial.config["lr"]]
            good = [{"epoch": 1, "val_accuracy": value}, {"outcome": "finished"}]
            lines = good if isinstance(value, float) else [{"outcome": value, "epoch": 1}]
            durable.append(trial.folder / "epochs.jsonl", *lines)
    return ledger.read(run.folder)


def confirmed(run):
    return [(trial.config["lr"], trial.seed) for trial in run.trials if trial.source == "confirm"]


SEEDS = [confirmation.seed_of(0, replicate) for replicate in range(4)]


def test_the_best_and_the_baseline_are_planned_once_the_search_has_ended(start):
    run = start(confirm=1, confirm_seeds=2)
    assert confirmation.extend(run) is run
    run = train(run, {0.1: 0.5, 0.2: 0.4, 0.3: 0.6})
    assert not is_complete(run)
    run = confirmation.extend(run)
    assert confirmed(run) == [(0.3, SEEDS[0]), (0.3, SEEDS[1]), (0.2, SEEDS[0]), (0.2, SEEDS[1])]
    assert [trial.index for trial in run.trials] == list(range(7))
    assert [trial.index for trial in run.trials if not trial.ended] == [3, 4, 5, 6]
    run = train(run, {0.2: 0.4, 0.3: 0.1})
    assert confirmation.extend(run) is run
    assert is_complete(run)


def test_opening_it_again_in_the_middle_plans_nothing_twice(start):
    asked = {"confirm": 2, "confirm_seeds": 1}
    run = confirmation.extend(train(start(**asked), {0.1: 0.5, 0.2: 0.4, 0.3: 0.6}))
    again = start(**asked)
    assert again == run == confirmation.extend(again)


def test_a_confirmation_takes_no_part_in_the_choice(start):
    run = confirmation.extend(train(start(confirm=1, confirm_seeds=1), {0.1: 0.5, 0.2: 0.4, 0.3: 0.6}))
    run = train(run, {0.2: 0.9, 0.3: 0.1})
    assert [trial.config["lr"] for trial in confirmation.leaders(run.search_trials)] == [0.3, 0.1, 0.2]
    assert confirmation.missing(run) == []


def test_with_several_seeds_the_mean_counts(start):
    run = start(seeds=2, confirm=1, confirm_seeds=1)
    for trial in run.trials:
        value = {(0.1, 0): 0.9, (0.2, 0): 0.6}.get((trial.config["lr"], trial.seed), 0.5)
        trial.folder.mkdir(parents=True)
        durable.append(trial.folder / "epochs.jsonl", {"epoch": 1, "val_accuracy": value}, {"outcome": "finished"})
    assert confirmed(confirmation.extend(ledger.read(run.folder))) == [(0.1, SEEDS[0]), (0.2, SEEDS[0])]


def test_what_is_confirmed_stays_so_when_the_search_grows_and_all_have_the_same_seeds(start):
    values = {0.1: 0.7, 0.2: 0.4, 0.3: 0.6}
    run = train(confirmation.extend(train(start(num_samples=1, confirm=1, confirm_seeds=1), values)), values)
    assert confirmed(run) == [(0.2, SEEDS[0])]
    assert is_complete(run)
    run = start(num_samples=3, confirm_seeds=2)
    assert confirmation.extend(run) is run, "the search has not ended"
    run = confirmation.extend(train(run, values))
    assert confirmed(run) == [(0.2, SEEDS[0]), (0.2, SEEDS[1]), (0.1, SEEDS[0]), (0.1, SEEDS[1])]
    assert [trial.source for trial in run.trials] == ["baseline", "confirm", "grid", "grid", *["confirm"] * 3]
    assert start() == run


@pytest.mark.parametrize("outcome", ["diverged", "failed"])
def test_where_nothing_finished_nothing_is_confirmed(start, outcome):
    run = train(start(confirm=2), {0.1: outcome, 0.2: outcome, 0.3: outcome})
    assert confirmation.missing(run) == []
    assert is_complete(run)


def test_more_to_confirm_than_there_is(start):
    run = confirmation.extend(train(start(confirm=9, confirm_seeds=1), {0.1: 0.1, 0.2: "diverged", 0.3: 0.6}))
    assert confirmed(run) == [(0.3, SEEDS[0]), (0.1, SEEDS[0]), (0.2, SEEDS[0])]


def test_weights_of_the_confirmation_are_kept(start):
    run = confirmation.extend(train(start(confirm=1, confirm_seeds=1), {0.1: 0.5, 0.2: 0.4, 0.3: 0.6}))
    run = train(run, {0.2: 0.4, 0.3: 0.1})
    for trial in run.trials:
        durable.write_checked(trial.folder / "best.safetensors", b"weights")
    opening.prune_weights(run, keep=1)
    kept = [(trial.folder / "best.safetensors").exists() for trial in run.trials]
    assert kept == [True, False, True, True, True]
