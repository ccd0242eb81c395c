"""One trial in a folder: train, commit each epoch, continue from the newest good state. No Ray.

The folder holds epochs.jsonl (the ledger), state-000007.pt with its sidecar, best.safetensors, val.npz, timing.jsonl
and, after an error, error.txt. A row is committed before it is yielded. A state may be older than the last row: the epochs
between them are then trained again. Only the state of a trial's last epoch is saved before its row, because a user's loop
whose rows are all there is not trained again.
"""

import contextlib
import io
import re
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from trainables.errors import ExpectedError, GpuMemoryError, LostError, RunError
from trainables.files import durable
from trainables.files.durable import Record
from trainables.parts import whose
from trainables.training.definition import Training
from trainables.training.device_errors import is_broken_device, is_out_of_memory, is_starved
from trainables.training.loop import Diverged
from trainables.trial import timing
from trainables.trial.rows import NetworkRows, Passed, Rows, State, UsersError

SAVE_EVERY = 10.0  # seconds between resume states
SAVING = 0.2  # seconds that saving a state may take, 2 % of SAVE_EVERY; slower saves come less often in proportion
KEPT_STATES = 2  # the newest state may be damaged, so the one before it is kept too
NOT_THERE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)  # errors of whoever wrote the path
OF_A_USER = re.compile(r"/code/[0-9a-f]{16}/")  # a file of the user's, see trainables/own/code.py


def run(
    folder: Path,
    training: Training | Rows,
    *,
    until: int | None = None,
    heard: int | None = None,
    exact: bool = True,
    shares_gpu: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    on_batch: Callable[[int, int], None] | None = None,
) -> Generator[Record, None, None]:
    """Continue the training in folder until all its epochs are committed, and yield each new row once it is committed.

    The outcome (finished, diverged, or failed by an error of the configuration) is the last line of the ledger. A finished
    trial's outcome is written before its last row is yielded.

    Args:
        until: pause after this epoch: save the state and write no outcome.
        heard: rows of the ledger that the caller already has; the committed rows after these are yielded first. Another
            process may have committed them before it released the folder. None yields no committed row.
        exact: whether an epoch trained again on a CPU must give its committed row. False if the machine, the versions or
            anything else that decides the numbers has changed.
        shares_gpu: whether other processes use the same GPU; then a lack of GPU memory is no failure of the configuration.
        stopping: when it turns true, a state is saved at the end of the running epoch, or when the generator is closed.

    Raises:
        LockedError: another process trains this trial.
        GpuMemoryError: the memory of a shared GPU ran out.
        LostError: the user's program was ended from outside, or failed while the search stops.
        RunError: the ledger is damaged, or a repeated epoch came out differently on the CPU.
        StorageError: a write failed, or the machine failed the user's code; what was committed stays.
    """
    rows = NetworkRows(training) if isinstance(training, Training) else training
    durable.make_folder(folder)
    with durable.folder_lock(folder):
        durable.sweep(folder)
        committed = committed_rows(folder)
        yield from committed[heard:] if heard is not None else ()
        last = rows.config["epochs"]
        if has_ended(folder, last):
            return
        state = load_state(folder, *rows.names, at_most=min(last, len(committed)))
        there = min(state["epoch"] if state else 0, len(committed)) if rows.images else len(committed)
        if until and until <= there < last:
            return
        known = {row["epoch"]: row[rows.objective.column] for row in committed}
        epochs = rows.epochs(state, known, on_batch)
        must_match = exact and rows.must_match
        try:
            with contextlib.closing(epochs):
                yield from commit_all(folder, rows, epochs, committed, state, until, must_match, stopping)
        except Diverged as error:
            end(folder, {"outcome": "diverged", "epoch": error.epoch})
            durable.remove_states(folder)
        except (ExpectedError, LostError):
            raise
        except (SystemExit, KeyboardInterrupt) as stop:
            if whose.is_asked_for(stop):
                raise
            fail(folder, stop)
        except OSError as error:
            if not isinstance(error, NOT_THERE) or whose.place(error) is None:
                raise durable.storage_error(folder, error, 0) from error
            fail(folder, error)  # a part of the user's asked for it
        except Exception as raised:
            judge(folder, raised, shares_gpu, stopping)


def judge(folder: Path, raised: Exception, shares_gpu: bool, stopping: Callable[[], bool]) -> None:
    """Commit that a configuration has failed by an exception, or raise what is the fault of something else.

    Raises:
        GpuMemoryError, LostError, StorageError: see `run`.
    """
    cause = raised.cause if isinstance(raised, UsersError) else raised
    if shares_gpu and (is_out_of_memory(cause) or is_starved(cause)):
        raise GpuMemoryError(str(cause)) from cause
    if is_broken_device(cause):
        raise cause from None  # the process cannot be used any more; another one tries again
    if isinstance(cause, OSError) and cause.errno in durable.OF_THE_MACHINE:  # no fault of the user's code
        raise durable.storage_error(Path(cause.filename or folder), cause, 0) from cause
    if stopping() and isinstance(raised, UsersError):
        raise LostError(str(cause)) from cause  # a program may have got the signal that stops the search
    fail(folder, cause)


def commit_all(
    folder: Path,
    rows: Rows,
    epochs: Iterator[Passed],
    committed: Sequence[Record],
    state: State | None,
    until: int | None,
    must_match: bool,
    stopping: Callable[[], bool],
) -> Generator[Record, None, None]:
    """Commit each epoch, save states between epochs, and commit the outcome at the end."""
    last_row, saved_at, started = None, time.monotonic(), time.monotonic()
    begun, pause, last = started, SAVE_EVERY, None
    for epoch in epochs:
        row, last = epoch.metrics, epoch
        is_new, is_last = row["epoch"] > len(committed), row["epoch"] == rows.config["epochs"]
        if row["epoch"] == 1:
            rows.begun(folder)  # before the row: whatever is killed after it, the note is there
        if is_last:
            save_state(folder, epoch, rows.id)
        if is_new:
            durable.append(folder / "epochs.jsonl", row)
        else:
            check_repeated(folder, committed[row["epoch"] - 1], row, rows, must_match)
        seconds = time.monotonic() - started
        timing.note(folder, timing.epoch_line(row["epoch"], seconds, rows.images, rows.device))
        is_pause = row["epoch"] == until and not is_last
        is_saved = not is_last and (is_pause or stopping() or time.monotonic() - saved_at >= pause)
        if is_saved:
            began_to_save = time.monotonic()
            save_state(folder, epoch, rows.id)
            saved_at = time.monotonic()
            pause = SAVE_EVERY * max(1.0, (saved_at - began_to_save) / SAVING)
        if is_last:
            rows.trained(folder, epoch, time.monotonic() - begun)
        if is_new and not is_last:
            try:
                yield row
            except GeneratorExit:  # whoever listened has gone
                if stopping() and not is_saved:
                    save_state(folder, epoch, rows.id)
                raise
        if is_pause:
            return
        last_row = row if is_new else None
        started = time.monotonic()
    assert last is not None or state is not None or committed, "a trial has at least one epoch"
    rows.keep(folder, last, state)
    end(folder, {"outcome": "finished"})
    for old in durable.states(folder)[1:]:
        durable.remove_checked(old)
    if last_row:
        yield last_row


def has_ended(folder: Path, epochs: int) -> bool:
    """Whether the trial has diverged, failed, or finished with at least this many epochs."""
    lines = durable.read_lines(folder / "epochs.jsonl")
    outcome = lines[-1].get("outcome") if lines else None
    return outcome in ("diverged", "failed") or (outcome == "finished" and len(committed_rows(folder)) >= epochs)


def committed_rows(folder: Path) -> list[Record]:
    """The rows of a trial's ledger, without the lines that state an outcome."""
    return [record for record in durable.read_lines(folder / "epochs.jsonl") if "outcome" not in record]


def check_repeated(folder: Path, committed: Record, again: Record, rows: Rows, must_match: bool) -> None:
    """Compare an epoch that was trained again with its committed row, and note an allowed difference.

    A difference is allowed if `must_match` is false or if the trial has run on another device than a CPU.

    Raises:
        RunError: the rows differ, and the difference is not allowed.
    """
    if again == committed:
        return
    if not must_match or set(timing.devices(folder)) - {"cpu"}:
        rows.differs(folder, committed, again)
        return
    keys = ", ".join(key for key in committed if committed[key] != again.get(key))
    raise RunError(
        f"not reproducible: {folder / 'epochs.jsonl'}: epoch {committed['epoch']} came out differently in {keys}. "
        "Use the machine, versions, number of threads and environment it was started with."
    )


def save_state(folder: Path, epoch: Passed, identity: str) -> None:
    """Write the resume state of an epoch durably, if it has one, then remove all but the newest KEPT_STATES states."""
    state, buffer = epoch.state(), io.BytesIO()
    if state is None:
        return
    torch.save(state, buffer)
    number = epoch.metrics["epoch"]
    durable.write_checked(folder / f"state-{number:06d}.pt", buffer.getvalue(), epoch=number, trial=identity)
    for old in durable.states(folder)[KEPT_STATES:]:
        durable.remove_checked(old)


def load_state(folder: Path, *names: str, at_most: int) -> dict[str, Any] | None:
    """The newest good state of epoch `at_most` or before that belongs to a trial with one of the ids `names`; else None.

    A damaged state is noted, one without a sidecar removed, and the state before it is tried. The epochs after an older state
    are trained again.
    """
    for path in durable.states(folder):
        if not path.with_suffix(".json").exists():  # a kill or a full disk cut its writing off
            durable.remove_checked(path)
            continue
        try:
            data = durable.read_checked(path)
            sidecar = durable.read_json(path.with_suffix(".json"))
        except RunError:
            timing.note(folder, {"note": f"{path.name} is damaged; the state before it is tried"})
            continue
        if sidecar.get("trial") in names and sidecar.get("epoch", at_most + 1) <= at_most:
            state: dict[str, Any] = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
            return state
    return None


def end(folder: Path, outcome: Record) -> None:
    """Commit the outcome of a trial."""
    durable.append(folder / "epochs.jsonl", outcome)


def fail(folder: Path, error: BaseException) -> None:
    """Write the traceback of an error to error.txt, commit the outcome (error type, first line, place), remove all states."""
    durable.write(folder / "error.txt", "".join(traceback.format_exception(error)).encode(errors="replace"))
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if OF_A_USER.search(each.filename)] or frames
    first_line = next(iter(str(error).splitlines()), "")
    kind = "out of memory" if is_out_of_memory(error) else type(error).__name__
    raised = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else str(getattr(error, "where", ""))
    where = getattr(error, "of_users", "") or raised
    end(folder, {"outcome": "failed", "error": f"{kind}: {first_line}", "where": where})
    durable.remove_states(folder)
