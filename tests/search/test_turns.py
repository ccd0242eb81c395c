"""Whose turn it is, on simulated learning curves: pytest tests/search/test_turns.py"""

import random

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from analysis.verify.run_folder import verify
from search.run import ledger, opening
from search.run.confirmation import is_complete
from search.stopping.rules import quota, rule, survivors
from search.terminal.progress import Progress
from search.turns import Turn, Turns, rungs
from spaces import Space, choice, loguniform
from trainables.files import durable
from trainables.objective import ACCURACY

EPOCHS = 9
curves = st.lists(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=EPOCHS, max_size=EPOCHS), min_size=2, max_size=9
)
diverging = st.dictionaries(st.integers(0, 8), st.integers(0, EPOCHS - 1), max_size=4)  # trial to epochs before that


def open_run(place, asked, toy, count, scheduler="sha", audit=0.0):
    rates = [0.1 * (index + 1) for index in range(count)]
    space = Space(
        params={"model": "mlp", "lr": choice(*rates), "schedule": "constant"}, baseline={"lr": rates[0]}, epochs=EPOCHS
    )
    return opening.open_run(place, asked(space=space, scheduler=scheduler, audit=audit), toy, on_gpu=False)


def train_one_epoch(run, index, curve):
    """What a worker commits."""
    trial = ledger.read(run.folder).trials[index]
    trial.folder.mkdir(parents=True, exist_ok=True)
    number = len(trial.epochs) + 1
    row = {"epoch": number, "train_loss": 1.0, "train_accuracy": 0.5, "val_loss": 1.0,
           "val_accuracy": curve[number - 1], "lr": 0.1}  # fmt: skip
    durable.append(trial.folder / "epochs.jsonl", row, *([{"outcome": "finished"}] if number == EPOCHS else []))
    return number


def diverge(trial, epoch):
    """What a worker commits when the loss is no longer finite."""
    trial.folder.mkdir(parents=True, exist_ok=True)
    durable.append(trial.folder / "epochs.jsonl", {"outcome": "diverged", "epoch": epoch})


def play(run, curves, dice, slots, deaths=0.0, broken=()):
    """Two or more workers at random speed; with `deaths` the search is killed and started again now and then.

    Args:
        broken: trials to the epochs that they train before their loss is no longer finite.
    """
    turns, running = Turns(ledger.read(run.folder)), {}
    while not turns.over:
        while len(running) < slots and (turn := turns.take()):
            running[turn.trial] = turn.until
        trial = dice.choice(sorted(running))
        if trial in broken and len(ledger.read(run.folder).trials[trial].epochs) == broken[trial]:
            diverge(run.trials[trial], broken[trial] + 1)
            del running[trial]
            turns.end(trial)
        elif train_one_epoch(run, trial, curves[trial]) >= running[trial]:
            del running[trial]
            turns.end(trial)
        if dice.random() < deaths:
            turns, running = Turns(ledger.read(run.folder)), {}
    return ledger.read(run.folder)


@pytest.mark.parametrize(
    ("scheduler", "audit"),
    [
        ("sha", 0.5),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in (("epochs:2", 0.5), ("sha", 0.0), ("epochs:2", 0.0))),
    ],
)
@hypothesis_settings(max_examples=10)
@given(curves=curves, seed=st.integers(0, 1000), slots=st.integers(1, 4), broken=diverging)
def test_a_wave_ends_the_same_whatever_the_order_of_arrival_and_the_kills(
    tmp_path_factory, toy, settings, scheduler, audit, curves, seed, slots, broken
):
    outcomes = []
    for dice, deaths in ((random.Random(0), 0.0), (random.Random(seed), 0.0), (random.Random(seed), 0.2)):
        run = open_run(tmp_path_factory.mktemp("wave"), settings, toy, len(curves), scheduler, audit)
        after = play(run, curves, dice, slots, deaths, broken)
        assert is_complete(after)
        outcomes.append(([(trial.status, trial.epochs) for trial in after.trials], after.decisions))
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_a_rung_keeps_the_best_third_and_the_first_planned_on_ties():
    assert survivors({0: 0.1, 1: 0.3, 2: 0.2, 3: 0.3, 4: 0.0}, 2, ACCURACY) == {1, 3}
    assert survivors({0: 0.5, 1: 0.5, 2: 0.5}, 1, ACCURACY) == {0}
    assert survivors({7: 0.1}, 3, ACCURACY) == {7}
    assert [quota(rule("sha"), 1, count, count) for count in (0, 1, 3, 4, 27)] == [0, 1, 1, 2, 9]


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


MOST_DIVERGE = dict.fromkeys(range(7, 27), 0)  # before the first rung, where 7 of 27 arrive for 9 places
DIVERGE_LATER = dict.fromkeys(range(21, 27), 1)  # the best, after it: 3 of 9 arrive at the second rung, for 3 places


@pytest.mark.parametrize(
    ("scheduler", "version", "broken", "lengths"),
    [
        ("sha", 3, MOST_DIVERGE, {1: 0, 3: 4, 9: 3}),
        ("sha", 2, MOST_DIVERGE, {1: 0, 3: 4, 9: 3}),
        ("sha", 1, MOST_DIVERGE, {1: 4, 3: 2, 9: 1}),
        ("sha", 2, DIVERGE_LATER, {1: 18 + 6, 3: 0, 9: 3}),
        ("sha", 1, DIVERGE_LATER, {1: 18 + 6, 3: 2, 9: 1}),
        ("epochs:1", 3, MOST_DIVERGE, {1: 0, 3: 0, 9: 7}),
        ("epochs:1", 2, MOST_DIVERGE, {1: 0, 3: 0, 9: 7}),
        ("epochs:1", 1, MOST_DIVERGE, {1: 4, 3: 0, 9: 3}),
    ],
)
def test_what_diverged_before_a_rung_takes_no_place_there(
    tmp_path, toy, settings, begun_as, scheduler, version, broken, lengths
):
    """Of 27 the first rung keeps 9, the second 3; version 1 kept a third of those that arrived."""
    run = open_run(tmp_path, settings, toy, 27, scheduler)
    if version < 3:
        begun_as(tmp_path, version)
    values = [[index / 40] * EPOCHS for index in range(27)]
    after = play(run, values, random.Random(0), 3, broken=broken)
    assert is_complete(after)
    trained = [len(trial.epochs) for trial in after.trials]
    assert {epochs: trained.count(epochs) for epochs in lengths} == lengths
    assert all(trial.status == "finished" for trial in after.trials if len(trial.epochs) == EPOCHS)
    assert [line for line in verify(tmp_path) if "val.npz" not in line] == [], (
        "each version is verified as it was followed"
    )


def test_a_failed_trial_takes_no_place_either_and_one_that_comes_later_is_judged_with_the_others(
    tmp_path, toy, settings
):
    run = open_run(tmp_path, settings, toy, 6, "epochs:1")  # two go on
    for index in range(4):
        run.trials[index].folder.mkdir(parents=True)
        failed = {"outcome": "failed", "error": "RuntimeError: broken", "where": "x.py:1"}
        durable.append(run.trials[index].folder / "epochs.jsonl", failed)
    values = [[0.9] * EPOCHS, *([0.1] * EPOCHS for _ in range(5))]
    first = play(run, values, random.Random(0), 2)
    assert [trial.status for trial in first.trials[4:]] == ["finished"] * 2
    again = play(opening.retry_failed(first), values, random.Random(0), 2)
    assert [len(trial.epochs) for trial in again.trials] == [9, 9, 1, 1, 9, 9]


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


def test_the_display_learns_who_was_left_behind_at_a_cut(tmp_path, toy, settings):
    run = open_run(tmp_path, settings, toy, 4, "epochs:1")
    progress, turns = Progress(run), Turns(run)
    for trial in [turns.take().trial for _ in range(4)]:
        train_one_epoch(run, trial, [0.1 * trial] * EPOCHS)
        turns.end(trial)
        progress.update(trial, None)
    assert [progress.trials[trial].status for trial in range(4)] == ["stopped", "stopped", "running", "running"]
    assert progress.ended() == 2


def test_a_slot_that_would_wait_trains_what_is_certain_to_go_on(tmp_path, toy, settings):
    """Of nine three go on from epoch 1; with eight there the best two are certain, whatever the last one comes to."""
    run = open_run(tmp_path, settings, toy, 9)
    turns = Turns(run)
    for trial in [turns.take().trial for _ in range(9)][:8]:
        train_one_epoch(run, trial, [0.1 * trial] * EPOCHS)
        turns.end(trial)
    assert [turns.take(), turns.take(), turns.take()] == [Turn(6, 3), Turn(7, 3), None]
    assert ledger.read(tmp_path).decisions == []


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


@pytest.mark.parametrize("scheduler", ["sha", "epochs:2", "none", "asha"])
def test_a_trial_that_was_killed_between_its_last_row_and_its_outcome_has_another_turn(
    tmp_path, toy, settings, scheduler
):
    run = open_run(tmp_path, settings, toy, 4, scheduler)
    run = play(run, [[0.1 * (index + 1)] * EPOCHS for index in range(4)], random.Random(0), 1)
    assert is_complete(run)
    killed = next(trial for trial in run.trials if trial.status == "finished")
    ledger_of_it = killed.folder / "epochs.jsonl"
    ledger_of_it.write_text("".join(ledger_of_it.read_text().splitlines(keepends=True)[:-1]))
    turns = Turns(ledger.read(run.folder))
    assert turns.take() == Turn(killed.index, EPOCHS)
    assert turns.take() is None


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


@pytest.mark.parametrize("scheduler", ["sha", "epochs:2", "ladder"])
def test_a_search_that_grew_twice_while_all_diverged_before_the_first_rung_goes_on(tmp_path, toy, settings, scheduler):
    """A stage that ended without a line is over, too."""
    params = {"model": "mlp", "lr": loguniform(0.01, 1.0), "schedule": "constant"}
    space = Space(params=params, baseline={"lr": 0.1}, epochs=EPOCHS)
    for number in (2, 3, 4):
        asked = settings(space=space, scheduler=scheduler, num_samples=number, algorithm="random")
        run = opening.open_run(tmp_path, asked, toy, on_gpu=False)
        turns = Turns(run)
        while turn := turns.take():
            trial = run.trials[turn.trial]
            trial.folder.mkdir(parents=True, exist_ok=True)
            durable.append(trial.folder / "epochs.jsonl", {"outcome": "diverged", "epoch": 1})
            turns.end(turn.trial)
        assert [trial.status for trial in ledger.read(run.folder).trials] == ["diverged"] * number
