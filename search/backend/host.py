"""The process of an engine: it trains several trials of the plan, and a thread for each commits its rows. No Ray."""

import contextlib
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Collection
from typing import Any

from search.backend.worker import Job, images, prepare, train_trial
from search.turns import Turn
from trainables.errors import ExpectedError
from trainables.files.durable import Record

PATIENCE = 60.0  # seconds for a turn that nobody listens to any more to end
CONNECTIONS = "32"  # queues of a GPU, or more than eight streams would wait for each other


class LeftError(BaseException):
    """Nobody reads the rows of this turn any more. LeftError is no error of the trial, just as SystemExit is none."""


class Gate:
    """Passes the rows of one turn from the thread that commits them to Tune.

    Args:
        rungs: epochs after which the trial waits until the search has decided about its row.
    """

    def __init__(self, rungs: Collection[int]) -> None:
        self._rungs = rungs
        self._rows: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._asked = threading.Condition()
        self._told = self._taken = 0
        self._is_left = False
        self.over = threading.Event()

    def report(self, row: Record) -> None:
        """Pass a row on, and after a rung wait for the decision. The thread that commits calls this.

        Raises:
            LeftError: the turn is to end.
        """
        self._rows.put(row)
        self._told += 1
        with self._asked:
            if row.get("epoch") in self._rungs:
                self._asked.wait_for(lambda: self._is_left or self._taken > self._told)
            if self._is_left:
                raise LeftError

    def next(self) -> Record | None:
        """The next row; None after the last. Tune's trial calls this after it has reported the row before."""
        with self._asked:
            self._taken += 1
            self._asked.notify_all()
        return self._rows.get()

    def leave(self) -> None:
        """End the turn: from now on `report` raises LeftError."""
        with self._asked:
            self._is_left = True
            self._asked.notify_all()

    def end(self) -> None:
        self._rows.put(None)
        self.over.set()


class Host:
    """An engine and the trials in it. Several threads call the methods; the engine runs in a thread of its own.

    Args:
        lanes: number of trials at once.
        rungs: epochs after which a trial waits for a decision.
    """

    def __init__(self, job: Job, lanes: int, rungs: Collection[int]) -> None:
        self._job, self._lanes, self._rungs = job, lanes, frozenset(rungs)
        self._given: queue.SimpleQueue[Any] = queue.SimpleQueue()  # of Work
        self._gates: list[Gate] = []
        self._last: dict[int, Gate] = {}  # of each trial
        self._opening = threading.Lock()
        self._is_ready, self._fault = threading.Event(), Record()
        threading.Thread(target=self._serve, daemon=True).start()

    def ready(self) -> Record:
        """Wait until the engine can train trials; return {}, or the fault of the machine that prevents training."""
        self._is_ready.wait()
        return self._fault

    def live(self) -> None:
        """Never return: the call fails when this process ends, which tells the caller that the engine has died."""
        threading.Event().wait()

    def open(self, trial: int) -> int:
        """Make a new gate for a trial and return its number; end an earlier turn of the trial first.

        The earlier turn may go on because the process that read its rows has died. This call waits for the end of the earlier
        turn for at most PATIENCE seconds.
        """
        if before := self._last.get(trial):
            before.leave()
            before.over.wait(PATIENCE)
        with self._opening:
            self._last[trial] = Gate(self._rungs)
            self._gates.append(self._last[trial])
            return len(self._gates) - 1

    def train(self, gate: int, turn: Turn) -> None:
        """Train a trial for one turn, and pass its rows through the gate of this number."""
        from trainables.trial.seat import Seat

        def seat(noted: Callable[[str], None]) -> Seat:
            return Seat(self._given.put, noted)

        try:
            train_trial(self._job, turn, self._gates[gate].report, seat)
        except LeftError:
            pass
        finally:
            self._gates[gate].end()

    def next(self, gate: int) -> Record | None:
        return self._gates[gate].next()

    def leave(self, gate: int) -> None:
        self._gates[gate].leave()

    def _serve(self) -> None:
        """Train trials until the process ends. An unexpected error ends the process, as the device may be broken."""
        try:
            self._engine().serve(lambda: False)
        except ExpectedError as error:
            self._fault = {"fault": error.kind, "message": str(error)}
            self._is_ready.set()
        except BaseException:
            self._say(traceback.format_exc())
            os._exit(1)

    def _engine(self) -> Any:
        """Make the engine, and load what its trials share: modules, images and lanes."""
        if self._job.device != "cpu":
            os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", CONNECTIONS)  # read when the GPU is first used
        prepare(self._job)
        from trainables.engine import engine, lanes

        if not self._job.folds:  # a fold is loaded when a trial trains on it
            images(self._job.cache, self._job.fraction)
        made = engine.Engine(lanes.lanes(self._job.device, self._lanes), self._take)
        self._is_ready.set()
        return made

    def _say(self, text: str) -> None:
        """Write why this process ends to stderr and the search's log: Ray's own log is removed with its folder."""
        sys.stderr.write(text)
        with contextlib.suppress(OSError), (self._job.run / "ray" / "output.log").open("a") as log:
            log.write(text)

    def _take(self) -> Any:
        try:
            return self._given.get_nowait()
        except queue.Empty:
            return None
