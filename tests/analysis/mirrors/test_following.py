"""The process beside a search: it hears of growth, never disturbs, and does its last work when the search ends."""

import os
import subprocess
import sys
import threading

import optuna
import pytest

from analysis.mirrors import following, launcher, refreshing
from trainables.errors import UsageError


def test_what_is_not_known_is_refused_with_the_closest_name():
    with pytest.raises(UsageError, match="Did you mean 'optuna'"):
        refreshing.check(["optuan"])


def test_a_missing_extra_is_one_line_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r'mlflow is not installed: pip install "cifar-search\[mlflow\]"\. '):
        refreshing.check(["optuna", "mlflow"])


def listener(calls):
    return following.Follower("test", lambda run, heard, is_end: calls.append((run, heard, is_end)))


def test_it_is_told_of_the_run_now_before_and_whether_the_search_has_ended(growing, monkeypatch):
    monkeypatch.setattr(following, "LEAST_REST", 0.0)
    monkeypatch.setattr(following, "REST", 0.0)
    calls = []
    read, write = os.pipe()
    thread = threading.Thread(target=following.follow, args=(growing.folder, [listener(calls)], read))
    thread.start()
    os.write(write, b"..")
    while not calls:
        pass
    growing.row(0, 1, 0.5)
    os.close(write)
    thread.join()
    (first, heard, is_end), (last, before, at_last) = calls
    assert heard is None
    assert not is_end
    assert before is first
    assert at_last
    assert len(last.trials[0].epochs) == 1


def test_a_failing_follower_warns_once_and_hears_everything_again_when_it_works(growing, capfd):
    heard = []

    def listen(run, before, is_end):
        heard.append(before)
        if len(heard) < 3:
            raise ValueError("no such server\nand more")

    follower = following.Follower("mlflow", listen)
    for _ in range(4):
        follower.tell(growing.folder, False)
    assert capfd.readouterr().err == "warning: mlflow is behind: ValueError: no such server\n"
    assert heard[:3] == [None, None, None]
    assert heard[3] is not None


def test_a_search_keeps_its_mirrors_up_to_date(growing):
    with launcher.following(growing.folder, ["optuna"], None) as grew:
        growing.row(0, 1, 0.5)
        grew()
        growing.row(0, 2, 0.7)
    study = optuna.load_study(study_name="grown", storage=f"sqlite:///{growing.folder / 'optuna.db'}")
    assert study.trials[0].intermediate_values == {1: 0.5, 2: 0.7}


def test_a_search_without_followers_starts_nothing(growing, monkeypatch):
    monkeypatch.setattr(launcher, "start", lambda *_: pytest.fail("started"))
    with launcher.following(growing.folder, [], None) as grew:
        grew()


def test_a_follower_that_dies_does_not_disturb(growing, monkeypatch):
    told = 0
    gone = [sys.executable, "-c", "pass"]
    monkeypatch.setattr(launcher, "start", lambda *_: subprocess.Popen(gone, stdin=subprocess.PIPE))
    with launcher.following(growing.folder, ["optuna"], None) as grew:
        for _ in range(100_000):  # more than a pipe holds
            grew()
            told += 1
    assert told == 100_000


def test_a_follower_that_hangs_is_ended(growing, monkeypatch, capsys):
    monkeypatch.setattr(launcher, "PATIENCE", 0.1)
    asleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(launcher, "start", lambda *_: subprocess.Popen(asleep, stdin=subprocess.PIPE))
    with launcher.following(growing.folder, ["optuna"], None) as grew:
        for _ in range(100_000):
            grew()
    assert "optuna is not up to date. Run: python -m analysis mirror " in capsys.readouterr().err


def test_after_an_interruption_it_has_little_time(growing, monkeypatch, capsys):
    monkeypatch.setattr(launcher, "HASTE", 0.1)
    asleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(launcher, "start", lambda *_: subprocess.Popen(asleep, stdin=subprocess.PIPE))
    with pytest.raises(KeyboardInterrupt), launcher.following(growing.folder, ["optuna"], None):
        raise KeyboardInterrupt
    assert "optuna is not up to date. Run: python -m analysis mirror " in capsys.readouterr().err
