"""Durable operations in any order, each of them killed or refused at any of its calls: a model says what must be there.

The disk is real; the calls are counted in this process, so an example costs milliseconds. A kill makes the chosen call and
all after it have no effect (a write may leave a part); a refusal makes one call, or all from then on, raise.
"""

import contextlib
import errno
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from search.run.decisions import Decisions
from trainables.errors import RunError, StorageError
from trainables.files import durable
from trainables.objective import ACCURACY
from trainables.trial import checkpointing

EXAMPLES = max(25, int(os.environ.get("FUZZ_EXAMPLES", "25")) // 100)  # one of 25 steps takes as long as 100 others
COUNTED = ("open", "pwrite", "ftruncate", "fsync", "replace", "unlink")
ASHA = {"name": "asha", "grace_period": 1, "reduction_factor": 3}

calls = st.integers(1, 24)
parts = st.floats(0, 1, exclude_max=True)
errors = st.sampled_from([errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE])


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the code may catch it."""


@contextlib.contextmanager
def intercepted(strike: Any) -> Iterator[None]:
    """Call strike(name, arguments) instead of every call that changes a disk; it returns false to let the real one happen."""
    real = {name: getattr(os, name) for name in COUNTED} | {"temporary": Path.open}

    def replacement(name: str) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            is_read = name == "temporary" and "wb" not in arguments
            if not is_read:
                strike(name, arguments)
            return real[name](*arguments, **more)

        return call

    with contextlib.ExitStack() as patches:
        for name in COUNTED:
            patches.enter_context(mock.patch.object(os, name, replacement(name)))
        patches.enter_context(mock.patch.object(Path, "open", replacement("temporary")))
        yield


@contextlib.contextmanager
def killed_at(call: int, part: float) -> Iterator[None]:
    """SIGKILL at the call-th call; a write in progress leaves a part of its data."""
    count, pwrite = 0, os.pwrite

    def strike(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        count += 1
        if count == call and name == "pwrite":
            descriptor, data, offset = arguments
            pwrite(descriptor, data[: int(part * len(data))], offset)
        if count >= call:
            raise Killed

    with contextlib.suppress(Killed), intercepted(strike):
        yield


@contextlib.contextmanager
def refused_at(call: int, error: int, *, persistent: bool) -> Iterator[None]:
    """The call-th call, or all from then on, fail."""
    count = 0

    def strike(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        count += 1
        if count == call or (persistent and count > call):
            raise OSError(error, os.strerror(error))

    with intercepted(strike):
        yield


class TrialFolder(RuleBasedStateMachine):
    """One trial folder and one decisions.jsonl; the committed rows and decisions, and the states that count, are the model."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.rows: list[dict[str, Any]] = []
        self.decided: list[dict[str, Any]] = []
        self.states: dict[int, bool] = {}  # every state file by its epoch, and whether it counts
        self.version = 0
        self.reopen()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    @property
    def ledger(self) -> Path:
        return self.folder / "epochs.jsonl"

    @property
    def log(self) -> Path:
        return self.folder / "decisions.jsonl"

    @rule()
    def reopen(self) -> None:
        """A new process: it sweeps, and knows only what it reads."""
        durable.sweep(self.folder)
        assert not list(self.folder.glob(".*.tmp"))
        self.decisions = Decisions(self.log, ASHA, 100, durable.read_lines(self.log), ACCURACY)

    # rows

    def row(self) -> dict[str, Any]:
        return {"epoch": len(self.rows) + 1, "text": "é" * len(self.rows)}

    @rule()
    def commit(self) -> None:
        durable.append(self.ledger, self.row())
        self.rows.append(self.row())

    @rule(call=calls, part=parts)
    def commit_killed(self, call: int, part: float) -> None:
        with killed_at(call, part):
            durable.append(self.ledger, self.row())
        self.settle_rows()
        self.reopen()

    @rule(call=calls, error=errors)
    def commit_refused(self, call: int, error: int) -> None:
        try:
            with refused_at(call, error, persistent=False):
                durable.append(self.ledger, self.row())
        except StorageError:
            return
        self.rows.append(self.row())

    @rule(call=calls, error=errors)
    def commit_refused_for_good(self, call: int, error: int) -> None:
        """Even cutting the line off again may fail; then it counts, and whoever reads will see it."""
        with contextlib.suppress(StorageError), refused_at(call, error, persistent=True):
            durable.append(self.ledger, self.row())
        self.settle_rows()

    def settle_rows(self) -> None:
        found = durable.read_lines(self.ledger)
        assert found in (self.rows, [*self.rows, self.row()])
        self.rows = found

    @rule(tail=st.binary(min_size=1, max_size=40).filter(lambda tail: b"\n" not in tail))
    def tear(self, tail: bytes) -> None:
        with self.ledger.open("ab") as file:
            file.write(tail)

    # states

    def epoch(self) -> Any:
        number = len(self.rows)
        return SimpleNamespace(
            metrics={"epoch": number}, state=lambda: {"epoch": number, "x": torch.full((9,), number)}
        )

    def saved(self) -> None:
        self.states[len(self.rows)] = True
        self.states = dict(sorted(self.states.items(), reverse=True)[: checkpointing.KEPT_STATES])

    @precondition(lambda self: self.rows)
    @rule()
    def save(self) -> None:
        checkpointing.save_state(self.folder, self.epoch(), "abcdef")
        self.saved()

    @precondition(lambda self: self.rows)
    @rule(call=calls, part=parts)
    def save_killed(self, call: int, part: float) -> None:
        with killed_at(call, part):
            checkpointing.save_state(self.folder, self.epoch(), "abcdef")
        self.settle_states()
        self.reopen()

    @precondition(lambda self: self.rows)
    @rule(call=calls, error=errors, persistent=st.booleans())
    def save_refused(self, call: int, error: int, persistent: bool) -> None:
        with contextlib.suppress(StorageError), refused_at(call, error, persistent=persistent):
            checkpointing.save_state(self.folder, self.epoch(), "abcdef")
        self.settle_states()

    def settle_states(self) -> None:
        """The new state may count or not; of the others only those may be gone that two newer ones made superfluous."""
        new, before = len(self.rows), self.states
        self.states = {number(path): counts(path) for path in durable.states(self.folder)}
        for old in [epoch for epoch, good in before.items() if good and epoch != new]:
            newer = [epoch for epoch in {*before, new} if epoch > old]
            assert self.states.get(old) or len(newer) >= checkpointing.KEPT_STATES

    @precondition(lambda self: any(self.states.values()))
    @rule(bit=st.integers(0, 1 << 16))
    def flip(self, bit: int) -> None:
        newest = self.folder / f"state-{max(self.states):06d}.pt"
        data = bytearray(newest.read_bytes())
        data[bit // 8 % len(data)] ^= 1 << bit % 8
        newest.write_bytes(bytes(data))
        self.states[max(self.states)] = counts(newest)

    # decisions

    def decision(self, value: float) -> dict[str, Any]:
        return {"sequence": len(self.decided) + 1, "trial": len(self.decided), "value": value}

    @rule(value=st.sampled_from([0.0, 0.5, 1.0]))
    def decide(self, value: float) -> None:
        self.decisions.stops(len(self.decided), 1, value)
        self.decided.append(self.decision(value))

    @rule(value=st.sampled_from([0.0, 0.5, 1.0]), call=calls, part=parts)
    def decide_killed(self, value: float, call: int, part: float) -> None:
        with killed_at(call, part):
            self.decisions.stops(len(self.decided), 1, value)
        found = len(durable.read_lines(self.log))
        assert found - len(self.decided) in (0, 1)
        self.decided += [self.decision(value)] * (found - len(self.decided))
        self.reopen()

    @rule(value=st.sampled_from([0.0, 0.5, 1.0]), call=calls, error=errors)
    def decide_refused(self, value: float, call: int, error: int) -> None:
        """Once it is refused the same process may be asked again, so it must know that nothing was decided."""
        try:
            with refused_at(call, error, persistent=False):
                self.decisions.stops(len(self.decided), 1, value)
        except StorageError:
            return
        self.decided.append(self.decision(value))

    # a file that is replaced

    @rule(call=calls, part=parts)
    def replace_killed(self, call: int, part: float) -> None:
        with killed_at(call, part):
            durable.write_json(self.folder / "run.json", {"version": self.version + 1})
        path = self.folder / "run.json"
        found = durable.read_json(path)["version"] if path.exists() else 0
        assert found in (self.version, self.version + 1)
        self.version = found
        self.reopen()

    @invariant()
    def every_committed_row_is_there_and_no_other(self) -> None:
        if hasattr(self, "folder"):
            assert durable.read_lines(self.ledger) == self.rows

    @invariant()
    def the_newest_state_that_counts_is_gone_on_from(self) -> None:
        if hasattr(self, "folder"):
            state = checkpointing.load_state(self.folder, "abcdef", at_most=1000)
            good = [epoch for epoch, is_good in self.states.items() if is_good]
            assert (state["epoch"] if state else None) == max(good, default=None)
            assert state is None or state["x"].tolist() == [state["epoch"]] * 9
            left = [number(path) for path in durable.states(self.folder)]
            self.states = dict.fromkeys(good, True) | dict.fromkeys(set(left) - set(good), False)

    @invariant()
    def every_decision_is_there_once_and_in_sequence(self) -> None:
        if hasattr(self, "folder"):
            found = [
                {key: line[key] for key in ("sequence", "trial", "value")} for line in durable.read_lines(self.log)
            ]
            assert found == self.decided


def number(path: Path) -> int:
    return int(path.stem.removeprefix("state-"))


def counts(path: Path) -> bool:
    """Whether a reader would take this state."""
    try:
        return bool(torch.load(io.BytesIO(durable.read_checked(path)), weights_only=True))
    except RunError:
        return False


TestTrialFolder = TrialFolder.TestCase
TestTrialFolder.pytestmark = pytest.mark.integration
TestTrialFolder.settings = settings(max_examples=EXAMPLES, stateful_step_count=25, deadline=None)
