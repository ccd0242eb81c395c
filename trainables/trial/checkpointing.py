"""One trial in a folder: train, commit each epoch, continue from the newest good state. No Ray.

The folder holds epochs.jsonl (the ledger), state-000007.pt with its sidecar, best.safetensors, val.npz, timing.jsonl
and, after an error, error.txt. A row is committed before anyone hears of it; a state only saves time, so it may be older.
"""

import io
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from trainables.data.loading import Dataset
from trainables.errors import ExpectedError, GpuMemoryError, RunError
from trainables.files import durable
from trainables.files.durable import Record
from trainables.models import cost
from trainables.objective import Objective
from trainables.training.definition import Training
from trainables.training.loop import Best, Diverged, Epoch, train
from trainables.trial import timing
from trainables.trial.latency import latency

SAVE_EVERY = 10.0  # seconds between resume states
KEPT_STATES = 2  # the newest may be damaged, so there is one before it
BROKEN = ("CUDA error", "CUDA driver error", "cuDNN error", "NVIDIA driver")  # how torch begins what a driver reports


def run(
    folder: Path,
    training: Training,
    *,
    until: int | None = None,
    heard: int | None = None,
    exact: bool = True,
    shares_gpu: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    on_batch: Callable[[int, int], None] | None = None,
) -> Generator[Record, None, None]:
    """Continue the training in folder until all its epochs are committed, and yield each new row once it is.

    With `until` it pauses after that epoch instead, its state saved and no outcome written. Rows after the first `heard`, which
    another process committed before it let go of the folder, are yielded first.

    The outcome (finished, diverged, or failed by an error of the configuration) is the last line of the ledger; it is
    there before the last row is yielded. When `stopping` turns true, a state is saved at the end of the running epoch,
    or when the generator is closed.

    Args:
        exact: an epoch trained again on a CPU must come out as it was committed; not where what decides that was changed.
        shares_gpu: with other processes, so memory that runs out is not held against the configuration.

    Raises:
        LockedError: another process trains this trial.
        GpuMemoryError: the memory of a shared GPU ran out.
        RunError: the ledger is damaged, or a repeated epoch came out differently on the CPU.
        StorageError: a write failed; what was committed stays.
    """
    durable.make_folder(folder)
    with durable.folder_lock(folder):
        durable.sweep(folder)
        committed = committed_rows(folder)
        yield from committed[heard:] if heard is not None else ()
        last = training.config["epochs"]
        if has_ended(folder, last):
            return
        state = load_state(folder, *training.names, at_most=last)
        if until and state and until <= min(state["epoch"], len(committed)) < last:
            return
        objective = training.objective
        known = {row["epoch"]: row[objective.column] for row in committed}
        epochs = train(training, state=state, known=known, on_batch=on_batch)
        best = Best.of_state(state, objective) if state else None
        must_match = exact and training.device == "cpu"
        try:
            yield from commit_all(folder, training, epochs, committed, best, until, must_match, stopping)
        except Diverged as error:
            end(folder, {"outcome": "diverged", "epoch": error.epoch})
            durable.remove_states(folder)
        except OSError as error:
            raise durable.storage_error(folder, error, 0) from error
        except ExpectedError:
            raise
        except Exception as error:
            if is_broken_device(error):
                raise  # the process cannot be used any more; another one tries again
            if shares_gpu and is_out_of_memory(error):
                raise GpuMemoryError(str(error)) from error
            fail(folder, error)


def commit_all(
    folder: Path,
    training: Training,
    epochs: Iterator[Epoch],
    committed: Sequence[Record],
    best: Best | None,
    until: int | None,
    must_match: bool,
    stopping: Callable[[], bool],
) -> Generator[Record, None, None]:
    """Commit each epoch, save states in between and the outcome at the end."""
    data, last_row, saved_at, started = training.data, None, time.monotonic(), time.monotonic()
    begun = started
    for epoch in epochs:
        row, best = epoch.metrics, epoch.best
        is_new, is_last = row["epoch"] > len(committed), row["epoch"] == training.config["epochs"]
        if is_new:
            durable.append(folder / "epochs.jsonl", row)
        else:
            check_repeated(folder, committed[row["epoch"] - 1], row, must_match)
        seconds = time.monotonic() - started
        timing.note(folder, timing.epoch_line(row["epoch"], seconds, len(data.train.labels), epoch.device))
        if row["epoch"] == 1 and not cost.has_formula(
            training.config
        ):  # those who show a run execute no code of the user's
            timing.note(folder, cost.of(training.config, len(data.classes))._asdict())
        is_pause = row["epoch"] == until and not is_last
        is_saved = is_last or is_pause or stopping() or time.monotonic() - saved_at >= SAVE_EVERY
        if is_saved:
            save_state(folder, epoch, training.id)
            saved_at = time.monotonic()
        if is_last:
            seconds = latency(epoch.model, data, epoch.device, training.precision, time.monotonic() - begun)
            facts = {"precision": training.precision, "device": epoch.device}
            timing.note(folder, {"latency_seconds": round(seconds, 7), **facts})
        if is_new and not is_last:
            try:
                yield row
            except GeneratorExit:  # whoever listened has gone
                if stopping() and not is_saved:
                    save_state(folder, epoch, training.id)
                raise
        if is_pause:
            return
        last_row = row if is_new else None
        started = time.monotonic()
    assert best is not None, "a trial has at least one epoch"
    save_best(folder, best, data, training.objective)
    end(folder, {"outcome": "finished"})
    for old in durable.states(folder)[1:]:
        durable.remove_checked(old)
    if last_row:
        yield last_row


def has_ended(folder: Path, epochs: int) -> bool:
    """Whether the last line is an outcome that stands: one of a finished trial stands until more epochs are asked for."""
    lines = durable.read_lines(folder / "epochs.jsonl")
    outcome = lines[-1].get("outcome") if lines else None
    return outcome in ("diverged", "failed") or (outcome == "finished" and len(committed_rows(folder)) >= epochs)


def committed_rows(folder: Path) -> list[Record]:
    """The rows of a trial's ledger, without its outcomes."""
    return [record for record in durable.read_lines(folder / "epochs.jsonl") if "outcome" not in record]


def check_repeated(folder: Path, committed: Record, again: Record, must_match: bool) -> None:
    """A row trained again must come out as it was committed; where it need not, on a GPU say, the difference is noted.

    Raises:
        RunError: it differs, and both times it was trained on a CPU.
    """
    if again == committed:
        return
    if not must_match or set(timing.devices(folder)) - {"cpu"}:
        timing.note_repeated(folder, again)
        return
    keys = ", ".join(key for key in committed if committed[key] != again.get(key))
    raise RunError(
        f"not reproducible: {folder / 'epochs.jsonl'}: epoch {committed['epoch']} came out differently in {keys}. "
        "Use the machine, versions, number of threads and environment it was started with."
    )


def save_state(folder: Path, epoch: Epoch, identity: str) -> None:
    """Make the resume state of an epoch durable, then drop all but the newest ones."""
    buffer = io.BytesIO()
    torch.save(epoch.state(), buffer)
    number = epoch.metrics["epoch"]
    durable.write_checked(folder / f"state-{number:06d}.pt", buffer.getvalue(), epoch=number, trial=identity)
    for old in durable.states(folder)[KEPT_STATES:]:
        durable.remove_checked(old)


def load_state(folder: Path, *names: str, at_most: int) -> dict[str, Any] | None:
    """The newest good state of a trial with one of these ids, of epoch `at_most` or before; none if there is none.

    A damaged state is noted and the one before it taken: its epochs are trained again, with the same result.
    """
    for path in durable.states(folder):
        try:
            data = durable.read_checked(path)
            sidecar = durable.read_json(path.with_suffix(".json"))
        except RunError as error:
            timing.note(folder, {"note": str(error)})
            continue
        if sidecar.get("trial") in names and sidecar.get("epoch", at_most + 1) <= at_most:
            state: dict[str, Any] = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
            return state
    return None


def save_best(folder: Path, best: Best, data: Dataset, objective: Objective) -> None:
    """Weights and validation predictions of the best epoch."""
    predicted = best.predicted.numpy()
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        predicted=predicted.astype(np.min_scalar_type(len(data.classes))),
        correct=predicted == data.val.labels,
        epoch=best.epoch,
    )
    durable.write(folder / "val.npz", buffer.getvalue())
    weights = safetensors.torch.save(best.weights)
    durable.write_checked(folder / "best.safetensors", weights, epoch=best.epoch, **{objective.column: best.value})


def end(folder: Path, outcome: Record) -> None:
    """Commit the outcome of a trial."""
    durable.append(folder / "epochs.jsonl", outcome)


def fail(folder: Path, error: Exception) -> None:
    """Keep the traceback of an error of the configuration, and commit the outcome: its type, first line and place."""
    durable.write(folder / "error.txt", "".join(traceback.format_exception(error)).encode(errors="replace"))
    frame = traceback.extract_tb(error.__traceback__)[-1]
    first_line = next(iter(str(error).splitlines()), "")
    kind = "out of memory" if is_out_of_memory(error) else type(error).__name__
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    end(folder, {"outcome": "failed", "error": f"{kind}: {first_line}", "where": where})
    durable.remove_states(folder)


def is_out_of_memory(error: Exception) -> bool:
    """torch has a class for the memory of a GPU only; on the CPU its allocator says so in words."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def is_broken_device(error: Exception) -> bool:
    """After such an error every further call on the GPU may fail: a fault of the machine, not of the configuration."""
    return any(words in str(error) for words in BROKEN)
