"""Two processes and one run: exactly one has it, the other knows at once, and a dead one never keeps it."""

import os
import signal

import pytest

from search.run import lock
from tests.waiting import until
from trainables.errors import LockedError
from trainables.files import durable


def test_of_two_that_race_for_a_run_exactly_one_has_it(victims, tmp_path, times, tally):
    races = times("FAULT_RACES", 50)
    for number in range(races):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        pair = [victims.fork("race", folder, *names) for names in (("a", "b"), ("b", "a"))]
        for process in pair if number % 2 else reversed(pair):
            os.kill(process, signal.SIGCONT)
        assert [victims.wait(process) for process in pair] == [0, 0]
        assert sorted((folder / name).read_text() for name in "ab") == ["lost", "won"]
    tally("races", races)


def test_a_killed_holder_leaves_no_lock(victims, tmp_path, times, tally):
    kills = 2 * times("FAULT_RACES", 50)
    for _ in range(kills):
        holder = victims.start("hold", tmp_path)
        until((tmp_path / "held").exists)
        with pytest.raises(LockedError, match=f"process {holder} on "), lock.hold(tmp_path):
            pass
        assert victims.kill(holder) == -signal.SIGKILL
        (tmp_path / "held").unlink()
        with lock.hold(tmp_path):
            assert f"process {os.getpid()} " in (tmp_path / "run.lock").read_text()
    tally("killed holders", kills)


def test_a_trial_is_held_by_one_and_free_at_once_when_that_is_killed(victims, tmp_path, tiny):
    long = tiny | {"epochs": 10_000}
    trainer = victims.start("train", tmp_path, long)
    until((tmp_path / "epochs.jsonl").exists)
    assert victims.run("train", tmp_path, long) == LockedError.exit_code
    assert victims.kill(trainer) == -signal.SIGKILL
    with durable.folder_lock(tmp_path):
        assert durable.read_lines(tmp_path / "epochs.jsonl")
