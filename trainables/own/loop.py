"""A user's own training loop as the source of a trial's rows.

    def train(config, *, seed, device, state=None):    # yields (metrics, get_state) or metrics after each epoch

`config` has the hyperparameters and `epochs`. `get_state()` is called before the loop goes on. It returns a state that
`torch.load(weights_only=True)` can read back. A loop without `get_state` begins again after a kill.
"""

import contextlib
import io
import math
import os
import pickle
import random
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, ClassVar

import numpy as np
import torch

from trainables.config import trial_id
from trainables.files.durable import Record
from trainables.objective import Objective
from trainables.own import code
from trainables.own.names import is_taken
from trainables.parts import whose
from trainables.training.loop import Diverged
from trainables.trial.rows import OnBatch, Passed, State, UsersError, not_exact

SEEDS = 2**31
HOW = "yield (metrics, get_state) or metrics after each epoch"
ENDS = (SystemExit, KeyboardInterrupt)  # of the process, or of a trial whose code raises one: see checkpointing.run
STATES = "Return tensors, numbers, texts, lists and dicts of them"


@dataclass(frozen=True)
class OwnEpoch:
    """An epoch of a user's loop or program."""

    metrics: Record
    get_state: Callable[[], Any] | None

    def state(self) -> dict[str, Any] | None:
        """The user's state with the number of its epoch; None if the epoch has no `get_state`.

        Raises:
            UsersError: `get_state` failed, or the state could not be saved and read back.
        """
        if self.get_state is None:
            return None
        state: dict[str, Any] = {"epoch": self.metrics["epoch"], "own": None}
        try:
            state["own"] = self.get_state()
            buffer = io.BytesIO()
            torch.save(state, buffer)
            buffer.seek(0)
            torch.load(buffer, weights_only=True)
        except Exception as error:
            first = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
            reason = culprit(state["own"], "state") if isinstance(error, pickle.UnpicklingError) else first
            told = TypeError(f"the state cannot be saved and read back: {reason or first}. {STATES}.")
            located(told, line_of(getattr(self.get_state, "__code__", None)))
            raise UsersError(told.with_traceback(error.__traceback__)) from error
        return state


def culprit(value: Any, where: str) -> str:
    """The first part of a state that torch does not read back by `weights_only`, and its type; empty if none is known."""
    if isinstance(value, Mapping):
        found = (culprit(each, f"{where}[{key!r}]") for key, each in value.items())
    elif isinstance(value, (list, tuple)):
        found = (culprit(each, f"{where}[{place}]") for place, each in enumerate(value))
    else:
        is_plain = value is None or isinstance(value, (bool, int, float, complex, str, bytes, torch.Tensor))
        kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
        return "" if is_plain and type(value).__module__ in ("builtins", "torch") else f"{where} is a {kind}"
    return next(filter(None, found), "")


@dataclass(frozen=True)
class OwnRows:
    """The rows of a user's own training; a subclass runs a loop or a program."""

    config: Mapping[str, Any]
    objective: Objective
    seed: int
    device: str
    images: ClassVar[int] = 0
    must_match: ClassVar[bool] = False  # the committed row stands, and the run says so

    @property
    def id(self) -> str:
        return trial_id(self.config, self.seed)

    @property
    def users_seed(self) -> int:
        """The seed that the user's code gets: 0 to 2**31 - 1, because some libraries take no larger seed."""
        return self.seed % SEEDS

    @property
    def names(self) -> tuple[str, ...]:
        return (self.id,)

    def begun(self, folder: Path) -> None:
        """Do nothing: there is nothing to note."""

    def trained(self, folder: Path, last: Passed, seconds: float) -> None:
        """Do nothing: there is nothing to measure."""

    def keep(self, folder: Path, last: Passed | None, state: State | None) -> None:
        """Do nothing: the user's code itself saves what it wants to keep."""

    def differs(self, folder: Path, committed: Record, again: Record) -> None:
        """Note durably that the run is not exact, with both rows of the epoch; the committed row stands."""
        not_exact(folder, committed, again)


@dataclass(frozen=True)
class LoopRows(OwnRows):
    """The rows of a trial that a user's function trains.

    Attributes:
        function: "module:name" in the code of the run.
    """

    function: str = ""

    def epochs(self, state: State | None, known: Mapping[int, float], on_batch: OnBatch | None) -> Generator[OwnEpoch]:
        """See Rows. Global random generators are seeded first, so that no trial depends on an earlier one."""
        train = code.named(self.function)
        seed_all(self.users_seed)
        number, last = (state["epoch"] if state else 0), self.config["epochs"]
        if not state and len(known) >= last:
            return  # all of it is committed
        with users():
            returned = train(dict(self.config), seed=self.users_seed, device=self.device, state=state and state["own"])
        with users(), at_its_yield(returned, train):
            if not isinstance(returned, Iterable) or isinstance(returned, Mapping):
                raise TypeError(f"the function returned {returned!r:.100} and yields nothing: {HOW}")
        yielded = iter(returned)
        while number < last:
            with users():
                found = next(yielded, None)
            with users(), at_its_yield(yielded, train):
                if found is None:
                    raise ValueError(f"the loop ended after {number} of {last} epochs: {HOW}")
                metrics, get_state = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
                row = row_of(number + 1, metrics, self.objective)
            number += 1
            if on_batch:
                on_batch(number, last)
            yield OwnEpoch(row, get_state)


@contextlib.contextmanager
def at_its_yield(yielded: Any, train: Callable[..., Any]) -> Iterator[None]:
    """Give an error in this block the line where the user's generator stands, or else its function's first line."""
    frame = getattr(yielded, "gi_frame", None)
    try:
        yield
    except Exception as error:
        located(error, f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame else line_of(train.__code__))
        raise


def line_of(compiled: CodeType | None) -> str:
    """FILE:LINE where a function begins."""
    return f"{Path(compiled.co_filename).name}:{compiled.co_firstlineno}" if compiled else ""


def located(error: Exception, where: str) -> None:
    """Attach to an error the place in the user's file that caused it, because no line of that file raised the error."""
    error.of_users = where  # type: ignore[attr-defined]


class users:  # noqa: N801 (read as a block: with users(): ...)
    """Turn an exception that the user's code raises in this block into a UsersError, except Diverged.

    A child process that the user's code has forked ends here, as it would in a script: the ledger is its parent's business.
    """

    def __enter__(self) -> None:
        self.process = os.getpid()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None and os.getpid() != self.process:
            code = error.code if isinstance(error, SystemExit) else 1
            os._exit(code if isinstance(code, int) else int(code is not None))
        if error is not None and not isinstance(error, (Diverged, UsersError, *ENDS)) and not ends_from_outside(error):
            raise UsersError(error) from error


def ends_from_outside(error: BaseException) -> bool:
    """Whether an exception is no Exception and of this project: TimeIsUp of the rehearsal, for one, whose module is __main__."""
    return not isinstance(error, Exception) and type(error).__module__.partition(".")[0] in (
        *whose.PACKAGES,
        "__main__",
    )


def seed_all(seed: int) -> None:
    """Seed the global random generators of Python, numpy and torch, which a user's code may draw from."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def row_of(epoch: int, metrics: Any, objective: Objective) -> Record:
    """The row of an epoch: its metrics as plain numbers; those that are not finite are left out.

    Raises:
        Diverged: the objective is no finite number.
        TypeError, ValueError: `metrics` is no dict of valid metrics, or names another epoch.
    """
    if not isinstance(metrics, Mapping) or not all(isinstance(name, str) for name in metrics):
        raise TypeError(f"no metrics: {metrics!r:.200}: {HOW}, where metrics is a dict of numbers")
    row = {name: plain(name, value) for name, value in metrics.items() if name != "epoch"}
    if wrong := [name for name in row if is_taken(name, objective.column)]:
        raise ValueError(f"no metric can be called {wrong[0]}: results have a column of that name")
    if wrong := [name for name in row if not is_text(name)]:
        raise ValueError(f"no metric can be called {wrong[0]!r}: it is no text that a file can hold")
    if metrics.get("epoch", epoch) != epoch:
        raise ValueError(f"epoch {metrics['epoch']!r} where {epoch} comes next")
    if objective.column not in row:
        raise ValueError(f"{objective.column} is not among the metrics {', '.join(row)}")
    if not math.isfinite(row[objective.column]):
        raise Diverged(epoch)
    if not objective.are_sound([row[objective.column]]):
        raise ValueError(
            f'{objective.column} is {row[objective.column]}, but form="percent" needs a fraction from 0 to 1'
        )
    return {"epoch": epoch} | {name: value for name, value in row.items() if math.isfinite(value)}


def is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8: no part of a surrogate pair stands alone in it."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def plain(name: str, value: Any) -> float | int:
    """Convert a number of Python, numpy or torch into an int or a float of Python.

    Raises:
        TypeError, ValueError: `value` is no number, or is too large for a float.
    """
    value = value.item() if hasattr(value, "item") and getattr(value, "size", 1) != 0 else value
    if type(value) is bool:
        return int(value)
    if not isinstance(value, (int, float)):
        raise TypeError(f"metric {name} must be a number, but is {value!r:.100}")
    try:
        float(value)
    except OverflowError:
        raise ValueError(f"metric {name} is a whole number that is too large for a float") from None
    return value
