"""Engines under Ray: a process per GPU that trains several trials, and the light trials of Tune that hand on their rows.

Imports Ray; import it late. What runs in a trial of Tune imports no torch.
"""

import os
import queue
import threading
import traceback
from collections.abc import Callable, Collection, Sequence
from typing import Any

import ray

from search.backend.resources import Resources
from search.backend.worker import Job, train_trial
from search.turns import Turn
from trainables.files.durable import Record

LISTENING = 0.001  # of a core, for an engine, which shares the cores of its node, and for a trial of Tune that only hands on rows
PATIENCE = 60.0  # seconds for a turn that nobody listens to any more to end
CALLS = 4  # to an engine at once for each of its trials: to train, for a row, to leave, and one to spare


class LeftError(BaseException):
    """Nobody listens to the rows of this turn any more. Like SystemExit it is no error of the trial."""


class Gate:
    """Rows of one turn on their way from the thread that commits to Tune.

    Args:
        rungs: epochs after which the trial waits until its row has been decided about.
    """

    def __init__(self, rungs: Collection[int]) -> None:
        self._rungs = rungs
        self._rows: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._asked = threading.Condition()
        self._told = self._taken = 0
        self._is_left = False
        self.over = threading.Event()

    def report(self, row: Record) -> None:
        """Hand a row on, by the thread that commits.

        Raises:
            LeftError: the trial is to end.
        """
        self._rows.put(row)
        self._told += 1
        with self._asked:
            if row.get("epoch") in self._rungs:
                self._asked.wait_for(lambda: self._is_left or self._taken > self._told)
            if self._is_left:
                raise LeftError

    def next(self) -> Record | None:
        """The next row, by Tune's trial, which has reported the one before; None after the last."""
        with self._asked:
            self._taken += 1
            self._asked.notify_all()
        return self._rows.get()

    def leave(self) -> None:
        """The turn is to end."""
        with self._asked:
            self._is_left = True
            self._asked.notify_all()

    def end(self) -> None:
        self._rows.put(None)
        self.over.set()


class Host:
    """An engine and the trials in it. Its methods are called by several threads; the engine has one of its own.

    Args:
        lanes: trials at once.
        rungs: epochs after which a trial waits for a decision.
    """

    def __init__(self, job: Job, lanes: int, rungs: Collection[int]) -> None:
        if job.device == "cpu":
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # or torch may begin to use a GPU that was not granted
        self._job, self._lanes, self._rungs = job, lanes, frozenset(rungs)
        self._given: queue.SimpleQueue[Any] = queue.SimpleQueue()  # of Work
        self._gates: list[Gate] = []
        self._last: dict[int, Gate] = {}  # of each trial
        self._opening = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()

    def open(self, trial: int) -> int:
        """The number of a new gate for a trial, whose earlier turn is over then, also if whoever listened to it has died."""
        if before := self._last.get(trial):
            before.leave()
            before.over.wait(PATIENCE)
        with self._opening:
            self._last[trial] = Gate(self._rungs)
            self._gates.append(self._last[trial])
            return len(self._gates) - 1

    def train(self, gate: int, turn: Turn) -> None:
        """Train a trial for one turn; its rows go through the gate."""
        from trainables.trial.seat import Seat

        try:
            train_trial(self._job, turn, self._gates[gate].report, seat=lambda: Seat(self._given.put))
        except LeftError:
            pass
        finally:
            self._gates[gate].end()

    def next(self, gate: int) -> Record | None:
        return self._gates[gate].next()

    def leave(self, gate: int) -> None:
        self._gates[gate].leave()

    def _serve(self) -> None:
        """Train until the process ends, or end it: what a broken device leaves behind is of no use to the next trial."""
        from trainables.engine import engine, lanes

        try:
            engine.Engine(lanes.lanes(self._job.device, self._lanes), self._take).serve(lambda: False)
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    def _take(self) -> Any:
        try:
            return self._given.get_nowait()
        except queue.Empty:
            return None


def started(job: Job, resources: Resources, rungs: Collection[int]) -> list[Any]:
    """Handles of the engines, one for each GPU or, without any, for each node. One that dies is started again by Ray."""
    lanes = -(-resources.slots // resources.engines)
    kind = ray.remote(Host).options(
        num_cpus=LISTENING, num_gpus=resources.gpus, max_restarts=-1, max_concurrency=CALLS * lanes,
        scheduling_strategy="SPREAD",
    )  # fmt: skip
    return [kind.remote(job, lanes, rungs) for _ in range(resources.engines)]


def ended(hosts: Sequence[Any]) -> None:
    """End engines, whose trials have saved what they could."""
    for host in hosts:
        ray.kill(host)


def follow(host: Any, turn: Turn, report: Callable[[Record], None]) -> None:
    """Have a trial trained by an engine for one turn, and report its rows. This runs in a trial of Tune.

    Raises:
        RayError: the engine died, or training ended by an error that is not one of the trial's own.
    """
    gate = ray.get(host.open.remote(turn.trial))
    done = host.train.remote(gate, turn)
    try:
        while (row := ray.get(host.next.remote(gate))) is not None:
            report(row)
    finally:  # also when Ray ends a stopped trial by SystemExit
        host.leave.remote(gate)
    ray.get(done)
