"""A time budget ends a search as a signal does: pytest tests/search/test_interrupts.py"""

import signal
import threading
import time

import pytest

from search.interrupts import Interrupted, Interrupts


@pytest.fixture
def interrupts(monkeypatch):
    """Without the timers that end the process, which would be this one."""
    monkeypatch.setattr("search.interrupts.after", lambda seconds, *_: threading.Timer(seconds, lambda: None))
    kept = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1)
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


def test_a_budget_that_was_lifted_never_ends(interrupts):
    interrupts.listen()
    interrupts.end_in(30)
    interrupts.end_in(None)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
