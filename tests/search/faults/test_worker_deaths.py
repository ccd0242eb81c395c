"""What follows from dead workers, without Ray: pytest tests/search/faults/test_worker_deaths.py"""

import threading
from dataclasses import replace

import pytest

from search.faults.blame import Budgets
from search.faults.heartbeat import Watchdog
from search.faults.worker_deaths import Casualties
from search.run import ledger, opening
from search.turns import Turns
from trainables.files import durable


@pytest.fixture
def run(tmp_path, toy, settings):
    return opening.open_run(tmp_path, settings(), toy, on_gpu=False)


@pytest.fixture
def signs(tmp_path):
    """Where workers show that they train."""
    durable.make_folder(tmp_path / "pulses")
    return tmp_path / "pulses"


@pytest.fixture
def casualties(run, signs):
    budgets = Budgets()
    return Casualties(run, Turns(run, aside=budgets.aside), Watchdog(signs, 10, 180, lambda *_: None), budgets)


def died_training(casualties, signs):
    """The worker of trial 0, which had shown a sign of life."""
    (signs / "0").touch()
    return casualties.died(0, None)


def status(run, index):
    return ledger.read(run.folder).trials[index].status


def test_a_trial_whose_worker_died_has_the_next_turn(casualties):
    assert casualties.turns.take().trial == 0
    assert casualties.died(0, None) is None
    casualties.turns.end(0)
    assert casualties.turns.take().trial == 0


def test_a_row_that_is_reported_once_more_is_no_progress(run, casualties, signs):
    casualties.reported(1, 1)
    for _ in range(4):
        casualties.reported(0, 0)
        fault = died_training(casualties, signs)
    assert fault is None
    assert status(run, 0) == "failed"


def test_a_configuration_whose_workers_died_before_it_trained_is_not_blamed(run, casualties):
    casualties.reported(1, 1)
    faults = [casualties.died(0, None) for _ in range(6)]
    assert faults[:5] == [None] * 5
    assert faults[5].error().exit_code == 8
    assert "before it began to train" in faults[5].message
    assert status(run, 0) == "planned"


def test_without_another_trial_that_trained_the_search_ends_and_nobody_is_blamed(run, casualties, signs):
    faults = [died_training(casualties, signs) for _ in range(4)]
    assert faults[:3] == [None] * 3
    assert faults[3].error().exit_code == 8
    assert "epoch 1" in faults[3].message
    assert status(run, 0) == "planned"


def test_a_folder_that_stays_taken_is_said_to_be_in_use(casualties):
    fault = [casualties.busy(0) for _ in range(4)][-1]
    assert fault.error().exit_code == 7


def test_a_dead_process_may_hold_its_folder_for_a_moment(run, casualties):
    """As one that has gigabytes to give back."""
    trial = run.trials[0]
    durable.make_folder(trial.folder)
    casualties.turns.take()
    assert casualties.died(0, "memory") is None
    held, leave = threading.Event(), threading.Event()

    def linger():
        with durable.folder_lock(trial.folder):
            held.set()
            leave.wait(0.5)

    lingering = threading.Thread(target=linger)
    lingering.start()
    held.wait()
    assert casualties.died(0, "memory") is None
    lingering.join()
    assert ledger.read(run.folder).trials[0].outcome["error"].startswith("out of memory: ")


@pytest.mark.parametrize("short", ["memory", "gpu_memory"])
def test_memory_that_runs_out_is_tried_again_alone_before_anyone_is_blamed(run, casualties, short):
    casualties.turns.take()
    assert casualties.died(0, short) is None
    casualties.turns.end(0)
    assert status(run, 0) == "planned"
    assert casualties.turns.take().trial == 1, "it was not set aside"
    assert casualties.died(0, short) is None
    assert ledger.read(run.folder).trials[0].outcome["error"].startswith("out of memory: ")


def test_a_trial_that_ended_before_its_worker_died_is_not_blamed(run, casualties):
    """Its last words to the search were lost."""
    folder = run.trials[0].folder
    durable.make_folder(folder)
    durable.append(folder / "epochs.jsonl", {"outcome": "diverged", "epoch": 1})
    assert [casualties.died(0, "memory") for _ in range(3)] == [None] * 3
    assert durable.read_lines(folder / "epochs.jsonl") == [{"outcome": "diverged", "epoch": 1}]


@pytest.fixture
def many(tmp_path, toy, settings, signs):
    """Sixteen trials in flight, and the account of their deaths."""
    run = opening.open_run(tmp_path, replace(settings(), seeds=6), toy, on_gpu=False)
    budgets = Budgets()
    made = Casualties(run, Turns(run, aside=budgets.aside), Watchdog(signs, 10, 180, lambda *_: None), budgets)
    return run, made, signs


def in_engine(many, count=16):
    """So many have a turn and have begun to train."""
    _, casualties, signs = many
    given = [casualties.turns.take().trial for _ in range(count)]
    for trial in given:
        (signs / str(trial)).touch()
    return given


def ended(casualties, trials):
    for trial in trials:
        casualties.turns.end(trial)


def test_an_engine_that_dies_with_sixteen_trials_is_one_death_and_all_go_on(many):
    run, casualties, _ = many
    given = in_engine(many)
    assert casualties.engine_died(given) == (16, None)
    ended(casualties, given)
    assert sorted(casualties.turns.take().trial for _ in range(16)) == sorted(given)
    assert {status(run, trial) for trial in given} == {"planned"}


def test_of_sixteen_in_an_engine_that_dies_twice_those_that_got_on_meanwhile_are_forgiven(many):
    """The others are tried alone, and the one that ends an engine alone is blamed, and no other."""
    run, casualties, signs = many
    for _ in range(2):
        given = in_engine(many)
        for trial in given[2:]:
            casualties.reported(trial, 1 + casualties._reported[trial])
        assert casualties.engine_died(given)[1] is None
        ended(casualties, given)
    alone = sorted(casualties.turns._aside)
    assert alone == sorted(given[:2])
    for _ in range(2):
        (signs / str(alone[0])).touch()
        assert casualties.engine_died([alone[0]]) == (1, None)
    assert [status(run, trial) for trial in alone] == ["failed", "planned"]


def test_an_engine_that_hangs_as_a_whole_blames_none_of_its_trials(many):
    """Nobody knows in whose turn it hangs: silence is proof only of a trial that is alone."""
    run, casualties, _ = many
    for _ in range(2):
        given = in_engine(many)
        casualties.reported(17, 1)
        casualties.watchdog.killed.update(given)
        assert casualties.engine_died(given)[1] is None
        ended(casualties, given)
    assert {status(run, trial) for trial in given} == {"planned"}
    assert casualties.watchdog.killed == set()


def test_a_trial_that_had_not_begun_when_its_engine_died_goes_on_uncounted(many):
    _, casualties, signs = many
    given = in_engine(many)
    for trial in given[1:]:
        (signs / str(trial)).unlink()
    for _ in range(9):
        assert casualties.engine_died(given[1:]) == (0, None)
    assert casualties.turns._aside == set()
