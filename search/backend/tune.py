"""Classes that Ray Tune calls: one hands out the plan, one stops trials, one watches. Imports Ray; import it late."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.backend.places import Places
from search.backend.worker_errors import GONE, LastError
from search.faults.heartbeat import Watchdog
from search.faults.machine import FailureStreak, Fault
from search.faults.worker_deaths import Casualties
from search.run import ledger
from search.run.decisions import Decisions
from search.run.opening import tidy_trial
from search.turns import Notify, Turns
from trainables.errors import ExpectedError, LockedError, StorageError

if TYPE_CHECKING:
    from search.backend.engines import Engines


class PlanSearcher(Searcher):
    """Suggests to Tune the trials whose turn it is, whatever algorithm made the plan.

    Args:
        places: the places of the engines; None where each trial has its own process.
        look: notes which engines have died, so that a death is counted before a trial is suggested again.
    """

    def __init__(
        self,
        turns: Turns,
        stopping: Callable[[], bool],
        places: Places | None = None,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(metric=None, mode=None)
        self._places, self._look = places, look
        self._turns = turns
        self._stopping = stopping
        self._trials: dict[str, int] = {}  # Ray's trial to ours

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        self._look()
        has_room = self._places is None or self._places.has_room
        turn = self._turns.take() if has_room and not self._stopping() else None
        if turn is None:
            return str(Searcher.FINISHED) if self._stopping() or self._turns.over else None
        self._trials[trial_id] = turn.trial
        placed = {"engine": self._places.take(turn.trial)} if self._places else {}
        return {"trial": turn.trial, "until": turn.until} | placed

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        return True

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """End the trial's turn. The result is in the ledger already."""
        trial = self._trials.pop(trial_id)
        self._turns.end(trial)
        if self._places:
            self._places.free(trial)

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: Ray's snapshot of this searcher is never used."""

    def restore(self, checkpoint_path: str) -> None:
        """There is nothing to restore: see save."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Searcher, ()  # Ray pickles its Tuner to a file that nobody reads


class PlanScheduler(FIFOScheduler):
    """Stops trials by our decisions, and ends the search at a fault of the machine.

    When the search is to end, this scheduler does not stop the trials. Instead each worker sees the stop marker, saves its
    state and returns. Ray would end the process of a stopped trial without waiting for its state.

    Args:
        engines: the engines that train the trials; None where each trial has its own process.
    """

    def __init__(
        self,
        run: ledger.Run,
        decisions: Decisions,
        notify: Notify,
        stop_marker: Path,
        casualties: Casualties,
        last: LastError,
        engines: "Engines | None" = None,
    ) -> None:
        super().__init__()
        self._run = run
        self._streak = FailureStreak(has_trained=any(trial.epochs for trial in run.trials))
        self._decisions = decisions
        self._notify = notify
        self._stop_marker = stop_marker
        self._casualties = casualties
        self._last = last
        self._engines = engines
        self.fault: Fault | None = None

    @property
    def stopping(self) -> bool:
        return self.fault is not None or self._stop_marker.exists()

    def _end_by(self, fault: Fault | None) -> None:
        """If there is a fault, ask all workers to stop. Only the first fault counts."""
        if fault:
            self.fault = self.fault or fault
            with contextlib.suppress(OSError):  # then those that go on are stopped through Ray when they report
                self._stop_marker.touch()

    def look(self) -> None:
        """Note which engines are ready and which have died. While the search stops, do nothing and start no engine."""
        if self._engines and not self.stopping:
            self._end_by(self._engines.look())

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        index, value = trial.config["trial"], self._run.identity.objective.column
        if "fault" in result:
            is_busy = result["fault"] == LockedError.kind and not self.stopping
            self._end_by(self._casualties.busy(index) if is_busy else Fault(result["fault"], result["message"]))
            return str(TrialScheduler.CONTINUE)  # it ends by itself
        if "engine" in result:
            if self._engines and not self.stopping:
                self._end_by(self._engines.died(result["engine"]))
            return str(TrialScheduler.CONTINUE)  # likewise
        if self.fault:  # nothing more is decided
            return self._to_the_end()
        self._casualties.reported(index, result["epoch"])
        if self._engines:
            self._engines.places.has_row(index)
        try:
            stop = self._decisions.stops(index, result["epoch"], result[value])
        except StorageError as error:
            self._end_by(Fault(error.kind, str(error)))
            return self._to_the_end()
        self._notify(index, result)
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def _to_the_end(self) -> str:
        """The answer to a trial while the search ends: continue, as its worker sees the stop marker.

        If the disk refused the stop marker, the answer is to stop.
        """
        return str(TrialScheduler.CONTINUE if self._stop_marker.exists() else TrialScheduler.STOP)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Tidy up after a turn. What raises here would be taken for the death of the trial's worker by Tune."""
        index = trial.config["trial"]
        self._casualties.watchdog.turn_ended(index)
        try:
            self._notify(index, None)
            ended = ledger.reread(self._run, index)
            tidy_trial(
                ended, may_go_on=self._run.totals.rungs is not None
            )  # a cut drops the states of those left behind
            self._end_by(self._streak.add(ended))
        except ExpectedError as error:
            self._end_by(Fault(error.kind, str(error)))

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Handle the death of a worker. While the search stops, ignore the death: nobody is to blame for it."""
        index = trial.config["trial"]
        if self.stopping:
            return
        if self._engines and isinstance(self._last.error, GONE):
            self._end_by(self._engines.unheard(index))
        else:
            self._end_by(self._casualties.died(index, self._last.short))
        self._notify(index, None)

    def __reduce__(self) -> tuple[Any, ...]:
        return FIFOScheduler, ()


class Watch(Callback):
    """Checks the workers and the engines after each step of Tune's loop."""

    def __init__(self, watchdog: Watchdog, look: Callable[[], None] = lambda: None) -> None:
        self._watchdog, self._look = watchdog, look

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self._look()
        self._watchdog.look()

    def __reduce__(self) -> tuple[Any, ...]:
        return Callback, ()
