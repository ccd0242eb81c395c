"""Signs of life, on a clock of its own: pytest tests/search/faults/test_heartbeat.py"""

import os
import socket

import pytest

from search.faults.heartbeat import START_HERE, Watchdog, beating
from trainables.errors import RayError


@pytest.fixture
def watched(tmp_path):
    """A watchdog with a limit of 10 s, whom it killed, and a way to let time pass."""
    now, killed = [0.0], []
    watchdog = Watchdog(tmp_path, 10, START_HERE, lambda process, host: killed.append((process, host)), lambda: now[0])

    def pass_by(seconds):
        for _ in range(seconds):
            now[0] += 1.0
            watchdog.look()
        return killed

    return watchdog, pass_by


def beat(folder, trial, stamp):
    os.utime(folder / str(trial), ns=(stamp, stamp))


def test_who_gives_no_sign_is_killed_and_again_if_that_did_not_help(tmp_path, watched):
    watchdog, pass_by = watched
    with beating(tmp_path / "3"):
        assert pass_by(10) == []
        assert pass_by(6) == [(os.getpid(), socket.gethostname())]
        assert watchdog.killed == {3}
        assert len(pass_by(5)) == 1
        assert len(pass_by(30)) > 1


def test_who_gives_signs_is_not(tmp_path, watched):
    _, pass_by = watched
    with beating(tmp_path / "3"):
        for stamp in range(1, 20):
            beat(tmp_path, 3, stamp)
            assert pass_by(9) == []


def test_validation_may_be_silent_for_as_long_as_the_epoch_was_trained(tmp_path, watched):
    watchdog, pass_by = watched
    with beating(tmp_path / "3"):
        for stamp in range(1, 31):
            beat(tmp_path, 3, stamp)
            pass_by(1)
        assert pass_by(28) == []
        watchdog.epoch_ended(3)
        assert pass_by(10) == []
        assert len(pass_by(5)) == 1


def test_the_next_worker_of_a_trial_starts_afresh(tmp_path, watched):
    watchdog, pass_by = watched
    with beating(tmp_path / "3"):
        pass_by(9)
        watchdog.turn_ended(3)
    assert list(tmp_path.iterdir()) == []
    with beating(tmp_path / "3"):
        assert pass_by(9) == []


def test_a_search_without_any_worker_for_too_long_is_rays_fault(watched):
    _, pass_by = watched
    pass_by(int(START_HERE))
    with pytest.raises(RayError, match="no worker in 181 s"):
        pass_by(1)


def test_a_disk_that_refuses_is_no_matter(tmp_path):
    (tmp_path / "file").touch()
    with beating(tmp_path / "file" / "3") as signs:
        signs(1, 2)
    assert (tmp_path / "file").read_bytes() == b""


def test_an_error_leaves_the_sign_that_training_had_begun(tmp_path, watched):
    """A CUDA error ends a worker by an exception: not a fault of the machine before anything was trained."""
    watchdog, _ = watched
    with pytest.raises(RuntimeError), beating(tmp_path / "3"):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    assert watchdog.began(3)
    with pytest.raises(SystemExit), beating(tmp_path / "4"):
        raise SystemExit  # as Ray ends a stopped trial
    assert not watchdog.began(4)


def test_an_engine_is_killed_when_all_its_trials_are_silent_and_not_for_one(tmp_path, watched):
    """Their files name one process; a file of another process says nothing about it."""
    watchdog, pass_by = watched
    with beating(tmp_path / "3"), beating(tmp_path / "4"):
        (tmp_path / "5").write_text("1 elsewhere\n")
        for stamp in range(1, 8):
            beat(tmp_path, 4, stamp)
            beat(tmp_path, 5, stamp)
            assert pass_by(9) == []
        for stamp in range(10, 20):
            beat(tmp_path, 5, stamp)
            killed = pass_by(9)
        assert set(killed) == {(os.getpid(), socket.gethostname())}
        assert watchdog.killed == {3, 4}


def test_an_engine_is_killed_for_a_slot_that_hangs_once_the_others_have_ended(tmp_path, watched):
    """And not at the very moment when they have: what waited for their memory gives its first sign only then."""
    watchdog, pass_by = watched
    with beating(tmp_path / "3"), beating(tmp_path / "4"):
        for stamp in range(1, 6):
            beat(tmp_path, 4, stamp)
            assert pass_by(9) == []
        watchdog.turn_ended(4)
        assert pass_by(10) == []
        assert set(pass_by(5)) == {(os.getpid(), socket.gethostname())}
        assert watchdog.killed == {3}
