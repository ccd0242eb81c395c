"""Forks processes that do one durable thing each, so that a victim costs milliseconds although Python starts once.

    python victims.py           then one JSON list per line on stdin
    python victims.py DATA      with torch and a pickled Dataset, for the actions that train or render

["fork", ACTION, ARGUMENT...] answers with the id of a process that stands still until it gets SIGCONT, so that a tracer can
be attached to it first; ["wait", ID] answers with what became of it: the exit code (of an ExpectedError its own, of any
other exception 99), or minus the signal.
"""

import contextlib
import ctypes
import importlib
import io
import itertools
import json
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from search.run import ledger, lock
from search.run.decisions import Decisions, of_run
from tests.waiting import until
from trainables.errors import ExpectedError, LockedError
from trainables.files import durable
from trainables.objective import ACCURACY

DATA: list[Any] = []  # the Dataset, once it is loaded
UNCAUGHT = 99
LIBC, SET_TRACER = ctypes.CDLL(None), 0x59616D61  # where the kernel asks for it, a victim agrees to be traced
ASHA = {"name": "asha", "grace_period": 1, "reduction_factor": 3}


def new_folder(folder: Path) -> None:
    durable.make_folder(folder / "runs" / "t" / "trials")


def run_json(folder: Path) -> None:
    durable.write_json(folder / "run.json", {"schema": 2, "text": "new" * 5000})


def line(folder: Path) -> None:
    """What every owner of a ledger does: read it, then append what comes next."""
    path = folder / "epochs.jsonl"
    durable.append(path, {"epoch": len(durable.read_lines(path)) + 1, "val_accuracy": 0.5})


def state(folder: Path) -> None:
    durable.write_checked(folder / "state-000002.pt", b"new" * 100_000, epoch=2, trial="abcdef")


def drop(folder: Path) -> None:
    durable.remove_checked(folder / "state-000002.pt")


def decision(folder: Path) -> None:
    path = folder / "decisions.jsonl"
    taken = durable.read_lines(path)
    Decisions(path, ASHA, 9, taken, ACCURACY).stops(len(taken), 1, 0.5)


def results(folder: Path) -> None:
    """Of the run in folder: results.md names it, so the name must not change."""
    from analysis.results import files

    files.write_files(ledger.read(folder / "run"))


def train(folder: Path, config: dict[str, Any], rows: int | None = None, kept: int = 2) -> None:
    """A trial that saves its state after every epoch and keeps some of them, to its end or for so many new rows."""
    from trainables.training.definition import Training
    from trainables.trial import checkpointing

    checkpointing.SAVE_EVERY, checkpointing.KEPT_STATES = 0.0, kept
    with contextlib.closing(
        checkpointing.run(folder, Training(config, DATA[0], seed=0, device="cpu", precision="fp32"))
    ) as epochs:
        for _ in itertools.islice(epochs, rows):
            pass


def train_together(folder: Path, config: dict[str, Any], count: int, last: int | None = None) -> None:
    """So many trials with seeds of their own in the lanes of one engine, each committed by a thread of its own.

    Args:
        last: the call that changes a file before which the process is killed.
    """
    import queue
    import threading

    from trainables.engine.engine import Engine
    from trainables.engine.lanes import HostLane
    from trainables.training.definition import Training
    from trainables.trial import checkpointing
    from trainables.trial.seat import Seat, SeatedRows

    checkpointing.SAVE_EVERY = 0.0
    given: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def take() -> Any:
        with contextlib.suppress(queue.Empty):
            return given.get_nowait()

    def commit(seed: int) -> None:
        training = Training(config, DATA[0], seed=seed, device="cpu", precision="fp32")
        for _ in checkpointing.run(folder / str(seed), SeatedRows(training, Seat(given.put).epochs)):
            pass

    if last:
        die_before(last)
    threads = [threading.Thread(target=commit, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    Engine([HostLane() for _ in threads], take).serve(lambda: not any(thread.is_alive() for thread in threads))


def die_before(last: int) -> None:
    """Be killed before this call of those that change files, whichever thread makes it."""
    numbers = itertools.count(1)

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(numbers) == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call

    for name in ("pwrite", "fsync", "replace", "unlink"):
        setattr(os, name, counted(getattr(os, name)))


def search(folder: Path, scheduler: str, more: dict[str, Any] | None = None) -> None:
    """What run_search.py does, without Ray: one trial after the other, until none is left."""
    from search import attempts, settings, turns
    from search.run import confirmation
    from search.run import opening as folders
    from spaces import Space, loguniform

    space = Space(
        params={"model": "mlp", "depth": 1, "width": 8, "augment": "none", "schedule": "constant",
                "optimizer": "adamw", "batch_size": 20, "lr": loguniform(1e-3, 1e-1)},
        baseline={"lr": 1e-2}, epochs=4,
    )  # fmt: skip
    asked = settings.Settings(
        space_name="toy", space=space, dataset="toy", dataset_short="toy", fallback=None, cache=folder, algorithm="random",
        scheduler=scheduler, precision="fp32", **{"num_samples": 6, **(more or {})},
    )  # fmt: skip
    durable.make_folder(folder)
    with lock.hold(folder):
        run = folders.open_run(folder, asked, DATA[0], False)
        folders.tidy(run)
        while attempts.is_open(run := confirmation.extend(run)):
            waiting, decisions = turns.Turns(run), of_run(run)
            while turn := waiting.take():
                train_turn(run.trials[turn.trial], turn.until, decisions)
                waiting.end(turn.trial)
            run = ledger.read(folder)
            folders.tidy(run)
    assert not attempts.is_open(ledger.read(folder))


def train_turn(planned: ledger.Trial, until: int, decisions: Decisions) -> None:
    from trainables.training.definition import Training
    from trainables.trial import checkpointing

    checkpointing.SAVE_EVERY = 0.0
    last = planned.epochs[-1:]
    rows = checkpointing.run(
        planned.folder, Training(planned.config, DATA[0], seed=planned.seed, device="cpu", precision="fp32"), until=until
    )  # fmt: skip
    with contextlib.closing(rows):
        any(decisions.stops(planned.index, row["epoch"], row["val_accuracy"]) for row in itertools.chain(last, rows))


def chain(folder: Path, told: str, safe: bool = True) -> None:
    """A version of every kind of file after the other, each told of once it is there; without fsync if not safe."""
    if not safe:
        os.fsync = lambda descriptor: None
    with Path(told).open("ab", buffering=0) as listener:
        for version in range(1, 100_000):
            durable.append(folder / "epochs.jsonl", {"epoch": version})
            listener.write(b"line %d\n" % version)
            durable.write_json(folder / "run.json", {"version": version})
            listener.write(b"json %d\n" % version)
            durable.write_checked(folder / f"state-{version:06d}.pt", b"%d " % version * 5000, epoch=version)
            listener.write(b"state %d\n" % version)
            for old in durable.states(folder)[2:]:
                durable.remove_checked(old)


def hold(folder: Path) -> None:
    """Hold the lock of a run until killed."""
    with lock.hold(folder):
        (folder / "held").touch()
        time.sleep(60)


def race(folder: Path, name: str, other: str) -> None:
    """Try to hold the run and note the outcome. Who holds it waits for the note of the other, who must not wait for its end."""
    try:
        with lock.hold(folder):
            note(folder / name, "won")
            until((folder / other).exists)
    except LockedError:
        note(folder / name, "lost")


def note(path: Path, outcome: str) -> None:
    path.with_suffix(".part").write_text(outcome)
    path.with_suffix(".part").rename(path)


def search_own(folder: Path, kind: str, scheduler: str, more: dict[str, Any]) -> None:
    """The same of a user's loop, program or network, whose file lies beside the run."""
    from tests import own
    from trainables.trial import checkpointing

    checkpointing.SAVE_EVERY = 0.0
    path = folder.parent / "user" / f"own_{kind}.py"
    images = DATA[0] if kind == "model" else None
    own.search(folder, own.settings(path, scheduler=scheduler, **more), images)


PLAIN = (new_folder, run_json, line, state, drop, decision, chain, hold, race)
HEAVY = (results, train, train_together, search, search_own)  # these need torch
ACTIONS: dict[str, Callable[..., None]] = {action.__name__: action for action in (*PLAIN, *HEAVY)}


def fork(action: str, folder: str, *arguments: Any) -> int:
    """Start a victim and return once it stands still."""
    process = os.fork()
    if process == 0:
        LIBC.prctl(SET_TRACER, ctypes.c_ulong(-1), 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(outcome(ACTIONS[action], Path(folder), *arguments))
    os.waitpid(process, os.WUNTRACED)
    return process


def outcome(action: Callable[..., None], *arguments: Any) -> int:
    try:
        action(*arguments)
    except ExpectedError as error:
        return error.exit_code
    except BaseException:
        traceback.print_exc()
        return UNCAUGHT
    return 0


def wait(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def load(data: Path) -> None:
    """Do once what a trial's libraries do late (imports, a look at the processor), so that no injected fault meets it.

    None of torch's threads is started: a fork keeps one thread only.
    """
    import safetensors.torch
    import torch

    importlib.import_module("analysis.results.files")
    importlib.import_module("trainables.trial.checkpointing")
    torch.set_num_threads(1)
    torch.save({}, io.BytesIO())
    safetensors.torch.save({"x": torch.zeros(1)})
    DATA.append(pickle.loads(data.read_bytes()))
    warm_up()


def warm_up() -> None:
    from trainables.config import complete
    from trainables.training.definition import Training
    from trainables.training.loop import train

    config = complete({"model": "mlp", "depth": 1, "width": 8, "augment": "standard", "batch_size": 20, "epochs": 1})
    for epoch in train(Training(config, DATA[0], seed=0, device="cpu", precision="fp32")):
        epoch.state()


if __name__ == "__main__":
    for data in sys.argv[1:]:
        load(Path(data))
    for request in sys.stdin:
        what, *given = json.loads(request)
        print({"fork": fork, "wait": wait}[what](*given), flush=True)
