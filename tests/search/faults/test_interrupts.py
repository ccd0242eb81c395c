"""A time budget ends a search as a signal does: pytest tests/search/faults/test_interrupts.py"""

import contextlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from search.faults.interrupts import Interrupted, Interrupts
from trainables.cli import signals


@pytest.fixture
def interrupts(monkeypatch):
    """Without the timers that end the process, which would be this one."""
    monkeypatch.setattr("search.faults.interrupts.after", lambda seconds, *_: threading.Timer(seconds, lambda: None))
    kept = {
        number: signal.getsignal(number) for number in (signal.SIGINT, *signals.ASKING, signal.SIGALRM, signal.SIGUSR1)
    }
    yield Interrupts("")
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_the_end_of_the_budget_is_an_interruption_with_its_own_exit_code(interrupts):
    interrupts.listen()
    interrupts.end_in(0.01)
    with pytest.raises(Interrupted) as caught:
        time.sleep(30)
    assert (caught.value.exit_code, caught.value.is_budget) == (75, True)


def test_while_trials_run_it_asks_them_to_save(interrupts, tmp_path):
    interrupts.listen()
    interrupts.stop_softly_by(tmp_path / "stop")
    signal.raise_signal(signal.SIGALRM)
    assert (tmp_path / "stop").exists()
    interrupts.stop_softly_by(None)
    with pytest.raises(Interrupted):
        interrupts.check()


def test_a_budget_that_ends_while_a_signal_is_heeded_changes_nothing(interrupts, tmp_path):
    interrupts.listen()
    interrupts.stop_softly_by(tmp_path / "stop")
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGALRM)
    interrupts.stop_softly_by(None)
    with pytest.raises(Interrupted) as caught:
        interrupts.check()
    assert caught.value.exit_code == 143


def test_the_first_ctrl_c_after_the_end_of_the_budget_ends_nothing_at_once(interrupts, monkeypatch, tmp_path):
    ended = []
    monkeypatch.setattr(interrupts, "_end", lambda: ended.append(interrupts.number))
    interrupts.listen()
    interrupts.stop_softly_by(tmp_path / "stop")
    signal.raise_signal(signal.SIGALRM)
    signal.raise_signal(signal.SIGINT)
    assert (ended, interrupts.number) == ([], signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    assert ended == [signal.SIGINT]
    interrupts.stop_softly_by(None)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGXCPU, 152)])
def test_a_closed_terminal_and_a_limit_are_heeded_like_sigterm(interrupts, tmp_path, number, code):
    interrupts.listen()
    interrupts.stop_softly_by(tmp_path / "stop")
    signal.raise_signal(number)
    assert (tmp_path / "stop").exists()
    signal.raise_signal(number)  # a shell and the kernel both tell of a terminal that was closed: no impatience
    interrupts.stop_softly_by(None)
    with pytest.raises(Interrupted) as caught:
        interrupts.check()
    assert caught.value.exit_code == code


def test_a_closed_terminal_after_sigterm_does_not_hurry(interrupts, tmp_path):
    interrupts.listen()
    interrupts.stop_softly_by(tmp_path / "stop")
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGHUP)
    assert interrupts.number == signal.SIGTERM


def test_under_nohup_a_closed_terminal_is_ignored(interrupts):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts.listen()
    signal.raise_signal(signal.SIGHUP)
    interrupts.check()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) == interrupts._handle


def test_who_asks_to_be_left_alone_by_sigterm_is_not_heard(interrupts):
    """`ray symmetric-run` has to ignore it for itself; the search that it starts listens nevertheless."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    interrupts.listen()
    assert signal.getsignal(signal.SIGTERM) == interrupts._handle


def test_a_budget_that_was_lifted_never_ends(interrupts):
    interrupts.listen()
    interrupts.end_in(30)
    interrupts.end_in(None)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


STARTING = """
import os, pathlib, signal, subprocess, sys, time
from search.faults.interrupts import Interrupts, shielded

marker, interrupts = pathlib.Path(sys.argv[1]), Interrupts("")
interrupts.listen()
interrupts.stop_softly_by(marker)
with interrupts.wait_for_sigterm():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # what a library might put there: it would end the process
    if sys.argv[2] == "signal":
        os.kill(os.getpid(), signal.SIGTERM)
    if sys.argv[2] == "signal in the fork":
        os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM))
    child = shielded(subprocess.Popen)(["sleep", "60"], preexec_fn=lambda: None)
    while sys.argv[2] != "nothing" and not marker.exists():
        time.sleep(0.01)
apart = os.getsid(child.pid) == child.pid
child.terminate()
print(interrupts.number, apart, child.wait(10), signal.getsignal(signal.SIGTERM) == interrupts._handle)
"""


@pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="not on macOS")
@pytest.mark.parametrize(
    ("sent", "number"),
    [("signal", int(signal.SIGTERM)), ("signal in the fork", int(signal.SIGTERM)), ("nothing", None)],
)
def test_a_handler_that_a_library_installs_while_it_starts_is_never_called(tmp_path, sent, number):
    command = [sys.executable, "-c", STARTING, tmp_path / "stop", sent]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout == f"{number} True {-signal.SIGTERM} True\n"


@pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="not on macOS")
def test_a_budget_that_ends_while_ray_starts_is_not_taken_for_sigterm(interrupts, monkeypatch):
    """Many alarms and many short waits: eight threads heard a few SIGTERMs a second that nobody had sent."""
    heard = set()
    monkeypatch.setattr("search.faults.interrupts.POLL", 3e-4)
    monkeypatch.setattr(interrupts, "_handle", lambda number, frame: heard.add(number))
    with contextlib.ExitStack() as waits:
        for _ in range(8):
            waits.enter_context(interrupts.wait_for_sigterm())
        interrupts.listen()
        signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
        until = time.monotonic() + 2
        while time.monotonic() < until:
            sum(range(1000))
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert heard == {signal.SIGALRM}
