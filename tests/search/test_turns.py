"""Whose turn it is, on simulated learning curves: pytest tests/search/test_turns.py"""

import random

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from search import folder, ledger
from search.stopping import survivors
from search.turns import Turn, Turns, rungs
from spaces import Space, choice
from trainables import durable

EPOCHS = 9
curves = st.lists(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=EPOCHS, max_size=EPOCHS), min_size=2, max_size=9
)


def open_run(place, asked, toy, count, scheduler="sha", audit=0.0):
    rates = [0.1 * (index + 1) for index in range(count)]
    space = Space(
        params={"model": "mlp", "lr": choice(*rates), "schedule": "constant"}, baseline={"lr": rates[0]}, epochs=EPOCHS
    )
    return folder.open_run(place, asked(space=space, scheduler=scheduler, audit=audit), toy, on_gpu=False)


def train_one_epoch(run, index, curve):
    """What a worker commits."""
    trial = ledger.read(run.folder).trials[index]
    trial.folder.mkdir(parents=True, exist_ok=True)
    number = len(trial.epochs) + 1
    lines = [{"epoch": number, "val_accuracy": curve[number - 1]}]
    durable.append(trial.folder / "epochs.jsonl", *lines, *([{"outcome": "finished"}] if number == EPOCHS else []))
    return number


def play(run, curves, dice, slots, deaths=0.0):
    """Two or more workers at random speed; with `deaths` the search is killed and started again now and then."""
    turns, running = Turns(ledger.read(run.folder)), {}
    while not turns.over:
        while len(running) < slots and (turn := turns.take()):
            running[turn.trial] = turn.until
        trial = dice.choice(sorted(running))
        if train_one_epoch(run, trial, curves[trial]) >= running[trial]:
            del running[trial]
            turns.end(trial)
        if dice.random() < deaths:
            turns, running = Turns(ledger.read(run.folder)), {}
    return ledger.read(run.folder)


@pytest.mark.parametrize(("scheduler", "audit"), [("sha", 0.0), ("sha", 0.5), ("epochs:2", 0.0), ("epochs:2", 0.5)])
@hypothesis_settings(max_examples=10)
@given(curves=curves, seed=st.integers(0, 1000), slots=st.integers(1, 4))
def test_a_wave_ends_the_same_whatever_the_order_of_arrival_and_the_kills(
    tmp_path_factory, toy, settings, scheduler, audit, curves, seed, slots
):
    outcomes = []
    for dice, deaths in ((random.Random(0), 0.0), (random.Random(seed), 0.0), (random.Random(seed), 0.2)):
        run = open_run(tmp_path_factory.mktemp("wave"), settings, toy, len(curves), scheduler, audit)
        after = play(run, curves, dice, slots, deaths)
        assert after.complete
        outcomes.append(([trial.epochs for trial in after.trials], after.decisions))
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_a_rung_keeps_the_best_third_and_the_first_planned_on_ties():
    assert survivors({0: 0.1, 1: 0.3, 2: 0.2, 3: 0.3, 4: 0.0}, 3) == {1, 3}
    assert survivors({0: 0.5, 1: 0.5, 2: 0.5}, 3) == {0}
    assert survivors({7: 0.1}, 3) == {7}


def test_sha_halves_at_every_rung(tmp_path, toy, settings):
    run = open_run(tmp_path, settings, toy, 9)
    after = play(run, [[0.01 * index] * EPOCHS for index in range(9)], random.Random(0), 2)
    assert rungs(run) == [1, 3]
    assert [len(trial.epochs) for trial in after.trials] == [1] * 6 + [3] * 2 + [9]
    assert [trial.status for trial in after.trials] == ["stopped"] * 8 + ["finished"]


def test_epochs_k_trains_all_for_k_epochs_and_the_best_third_to_the_end(tmp_path, toy, settings):
    run = open_run(tmp_path, settings, toy, 7, "epochs:2")
    after = play(run, [[0.01 * index] * EPOCHS for index in range(7)], random.Random(0), 2)
    assert [len(trial.epochs) for trial in after.trials] == [2] * 4 + [9] * 3
    assert {line["cutoff"] for line in after.decisions} == {0.04}


def test_audited_trials_do_not_change_who_else_goes_on(tmp_path_factory, toy, settings):
    dice, stopped = random.Random(3), []
    values = [[dice.random()] * EPOCHS for _ in range(9)]
    for audit in (0.0, 0.5):
        run = open_run(tmp_path_factory.mktemp("audit"), settings, toy, 9, "sha", audit)
        after = play(run, values, random.Random(0), 2)
        stopped.append({trial.index: trial.stopped_at for trial in after.trials})
        audited = {line["trial"] for line in after.decisions if line.get("audit")}
    assert audited
    assert all(after.trials[index].status == "finished" for index in audited)
    assert {index: epoch for index, epoch in stopped[0].items() if index not in audited} == {
        index: epoch for index, epoch in stopped[1].items() if index not in audited
    }


def test_trials_that_confirm_wait_for_nobody_and_stop_nowhere(tmp_path, toy, settings):
    run = open_run(tmp_path, settings, toy, 3)
    play(run, [[0.1 * index] * EPOCHS for index in range(3)], random.Random(0), 1)
    line = durable.read_lines(tmp_path / "trials.jsonl")[0]
    durable.append(tmp_path / "trials.jsonl", line | {"index": 3, "seed": 5, "id": "abcdef", "source": "confirm"})
    turns = Turns(ledger.read(tmp_path))
    assert turns.take() == Turn(3, EPOCHS)
    assert turns.take() is None


def test_a_trial_that_diverged_does_not_hold_up_its_rung(tmp_path, toy, settings):
    run = open_run(tmp_path, settings, toy, 3)
    turns = Turns(run)
    given = [turns.take() for _ in range(3)]
    assert (given, turns.take()) == ([given[0], given[1], given[2]], None)
    assert not turns.over
    broken = run.trials[0]
    broken.folder.mkdir(parents=True)
    durable.append(broken.folder / "epochs.jsonl", {"outcome": "diverged", "epoch": 1})
    for trial in (1, 2):
        train_one_epoch(run, trial, [0.1 * trial] * EPOCHS)
    for trial in range(3):
        turns.end(trial)
    assert turns.take().trial == 2


def test_trials_that_do_not_get_to_their_epoch_are_not_given_for_ever(tmp_path, toy, settings):
    """A worker that dies again and again: the attempt ends, and what comes next is decided outside."""
    run = open_run(tmp_path, settings, toy, 2)
    turns = Turns(run)
    for trial in (0, 1):
        assert turns.take().trial == trial
        turns.end(trial)
    assert turns.over


@pytest.mark.parametrize("scheduler", ["none", "asha", "median"])
def test_other_schedulers_give_every_trial_one_turn_to_its_end(tmp_path, toy, settings, scheduler):
    run = open_run(tmp_path, settings, toy, 4, scheduler)
    turns = Turns(run)
    given = [turns.take() for _ in range(4)]
    assert [(turn.trial, turn.until) for turn in given] == [(index, EPOCHS) for index in range(4)]
    assert turns.take() is None


def test_a_trial_set_aside_waits_for_all_others_and_runs_alone(tmp_path, toy, settings):
    run, aside = open_run(tmp_path, settings, toy, 3, "none"), set()
    turns = Turns(run, aside=aside)
    assert [turns.take().trial for _ in range(2)] == [0, 1]
    aside.add(0)  # its worker died
    turns.again(0)
    turns.end(0)
    assert turns.take().trial == 2
    turns.end(1)
    assert turns.take() is None
    assert not turns.over
    turns.end(2)
    assert turns.take().trial == 0
    turns.again(0)
    turns.end(0)
    assert turns.take().trial == 0


def test_nothing_starts_beside_a_trial_that_runs_alone(tmp_path, toy, settings):
    turns = Turns(open_run(tmp_path, settings, toy, 2, "none"), aside={0, 1})
    assert turns.take().trial == 0
    assert turns.take() is None
    turns.end(0)
    assert turns.take().trial == 1
