"""Faults of the machine and bugs that fail every trial: pytest tests/search/faults/test_machine.py"""

import errno
from pathlib import Path

import pytest

from search.faults.machine import KINDS, FailureStreak, Fault, blame, fault_behind
from search.run.ledger import Trial
from trainables.errors import LockedError, RayError, StorageError
from trainables.files import durable


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


def test_in_a_search_that_had_trained_before_it_was_continued_they_are_failures_like_others():
    streak = FailureStreak(has_trained=True)
    assert [streak.add(trial("failed")) for _ in range(4)] == [None] * 4


def test_the_message_names_the_error_and_the_next_step():
    streak = FailureStreak()
    fault = [streak.add(trial("failed")) for _ in range(3)][-1]
    assert "models.py:3: RuntimeError: shapes" in fault.message
    assert "--retry-failed" in fault.message
    assert fault.error().exit_code == 1


EXIT_CODES = {"usage": 2, "space": 3, "data": 4, "run": 5, "storage": 6, "locked": 7, "ray": 8}


@pytest.mark.parametrize(("kind", "code"), EXIT_CODES.items())
def test_a_fault_from_another_process_keeps_its_exit_code(kind, code):
    assert Fault(kind, "text").error().exit_code == code == KINDS[kind].exit_code


def test_a_fault_of_unknown_kind_is_rays():
    assert isinstance(Fault("odd", "text").error(), RayError)


def wrapped(error):
    """As Tune does it: the text of one exception in another, raised while handling it."""
    try:
        try:
            raise error
        except Exception:
            raise RuntimeError("traceback")  # noqa: B904
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EMFILE, errno.EACCES, errno.EFBIG])
def test_storage_behind_what_ray_raises_is_found(number):
    fault = fault_behind(wrapped(OSError(number, "refused", "runs/t/x")), Path("runs/t"))
    assert fault.error().exit_code == StorageError.exit_code
    assert "runs/t/x" in fault.message


def test_an_expected_error_behind_what_ray_raises_keeps_its_words():
    assert fault_behind(wrapped(LockedError("in use")), Path("t")) == Fault("locked", "in use")


def test_anything_else_is_for_the_next_attempt(tmp_path):
    assert fault_behind(wrapped(ValueError("odd")), tmp_path) is None


def test_a_blamed_trial_has_failed_with_its_cause_and_keeps_its_rows(tmp_path):
    rows = [{"epoch": 1, "val_accuracy": 0.5}]
    durable.append(tmp_path / "epochs.jsonl", *rows)
    blamed = Trial(0, "a", {"epochs": 3}, 0, "grid", tmp_path, rows)
    with durable.folder_lock(tmp_path), pytest.raises(LockedError):
        blame(blamed, "worker died")
    blame(blamed, "worker died")
    assert durable.read_lines(tmp_path / "epochs.jsonl") == [
        *rows, {"outcome": "failed", "error": "worker died", "where": "epoch 2"},
    ]  # fmt: skip
    assert (tmp_path / "error.txt").read_text() == "epoch 2: worker died\n"


@pytest.mark.parametrize("words", [{"epoch": 2, "val_accuracy": 0.6}, {"outcome": "finished"}])
def test_a_trial_that_has_trained_on_since_is_not_blamed(tmp_path, words):
    rows = [{"epoch": 1, "val_accuracy": 0.5}]
    durable.append(tmp_path / "epochs.jsonl", *rows, words)
    blame(Trial(0, "a", {"epochs": 3}, 0, "grid", tmp_path, rows), "worker died")
    assert durable.read_lines(tmp_path / "epochs.jsonl") == [*rows, words]
