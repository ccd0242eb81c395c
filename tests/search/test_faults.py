"""Faults of the machine and bugs that fail every trial: pytest tests/search/test_faults.py"""

from pathlib import Path

import pytest

from search.faults import KINDS, FailureStreak, Fault
from search.ledger import Trial
from trainables.errors import RayError


def trial(status, error="RuntimeError: shapes", epochs=()):
    outcome = {"outcome": status, "error": error, "where": "models.py:3"} if status != "running" else None
    return Trial(0, "a", {"epochs": 3}, 0, "grid", Path("t"), list(epochs), outcome)


def verdicts(*trials):
    streak = FailureStreak()
    return [streak.add(each) is not None for each in trials]


def test_three_identical_failures_at_the_start_look_like_a_bug():
    assert verdicts(*[trial("failed")] * 3) == [False, False, True]


@pytest.mark.parametrize(
    "other",
    [trial("finished"), trial("diverged"), trial("failed", "ValueError: x"), trial("failed", epochs=[{"epoch": 1}])],
)
def test_anything_else_among_them_does_not(other):
    assert verdicts(trial("failed"), other, *[trial("failed")] * 4) == [False] * 6


def test_the_message_names_the_error_and_the_next_step():
    streak = FailureStreak()
    fault = [streak.add(trial("failed")) for _ in range(3)][-1]
    assert "models.py:3: RuntimeError: shapes" in fault.message
    assert "--retry-failed" in fault.message
    assert fault.error().exit_code == 1


@pytest.mark.parametrize(("kind", "code"), [("storage", 6), ("data", 4), ("run", 5), ("locked", 7), ("ray", 8)])
def test_a_fault_from_another_process_keeps_its_exit_code(kind, code):
    assert Fault(kind, "text").error().exit_code == code == KINDS[kind].exit_code


def test_a_fault_of_unknown_kind_is_rays():
    assert isinstance(Fault("odd", "text").error(), RayError)
