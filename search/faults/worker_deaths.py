"""The consequence of a worker's death: its trial continues or has failed, or the search ends. No Ray."""

from collections.abc import Sequence

from search.faults.blame import Budgets, Cause
from search.faults.heartbeat import Watchdog
from search.faults.machine import Fault, blame
from search.run import ledger
from search.run.lock import when_free
from search.turns import Turns
from trainables.errors import LockedError, RayError

FAILED: dict[Cause, str] = {
    "died": "worker died: its process ended repeatedly at this epoch, even when it ran alone, while other trials trained",
    "memory": "out of memory: Ray ended its process because memory ran short, with nothing beside it",
    "gpu_memory": "out of memory: the GPU ran out of memory with no other trial on it",
    "silent": "no progress: its process trained no batch for too long, twice at this epoch, while other trials trained",
}


class Casualties:
    """Keeps account of the progress and the deaths of the workers of one attempt."""

    def __init__(self, run: ledger.Run, turns: Turns, watchdog: Watchdog, budgets: Budgets) -> None:
        self.turns = turns
        self.watchdog = watchdog
        self._run = run
        self._budgets = budgets
        self._reported = {trial.index: len(trial.epochs) for trial in run.trials}

    def reported(self, trial: int, epoch: int) -> None:
        """Note that a committed epoch was reported; the same epoch may be reported again."""
        self.watchdog.epoch_ended(trial)
        if epoch > self._reported.get(trial, 0):  # a trial may have been planned since
            self._reported[trial] = epoch
            self._budgets.progressed(trial)

    def died(self, trial: int, short: Cause | None) -> Fault | None:
        """Handle the death of a trial's worker, by a kill or by itself; return a fault if the death ends the search.

        Args:
            short: the memory that the worker ran short of; None if it is not known to have run short.

        Raises:
            LockedError, StorageError: the failure of the configuration could not be committed.
        """
        cause = short or self._cause(trial)
        self.watchdog.killed.discard(trial)
        return self._follow(trial, cause, RayError.kind)

    def engine_died(self, trials: Sequence[int]) -> tuple[int, Fault | None]:
        """Handle the death of an engine with these trials: count a death for each trial that had begun.

        If several trials had begun, nobody knows which of them ended the engine. So no trial is blamed before it was tried
        alone. A trial that had not begun gets its turn again.

        Returns:
            The number of trials that had begun, and a fault if the death ends the search.

        Raises:
            LockedError, StorageError: see `died`.
        """
        begun = [trial for trial in trials if self.watchdog.began(trial)]
        causes: list[Cause] = [self._cause(trial) if len(begun) == 1 else "died" for trial in begun]
        for trial in set(trials) - set(begun):
            if not ledger.reread(self._run, trial).ended:
                self.turns.again(trial)
        self.watchdog.killed.difference_update(trials)
        faults = [self._follow(trial, cause, RayError.kind) for trial, cause in zip(begun, causes, strict=True)]
        return len(begun), next(filter(None, faults), None)

    def unheard(self, trial: int) -> Fault | None:
        """Handle the death of the process that passed on a trial's rows; return a fault if it ends the search."""
        return self._follow(trial, "unstarted", RayError.kind)

    def lost_engines(self) -> Fault:
        """The fault of engines that died again and again at every place where they were started."""
        log = f"{self._run.folder}/ray/output.log"
        return Fault(
            RayError.kind,
            f"engine lost repeatedly: {self._run.folder}: each time before its trials trained on, so it is the machine. "
            f"Read {log}; run the same command again, without --engine for a process per trial.",
        )

    def _cause(self, trial: int) -> Cause:
        if trial in self.watchdog.killed:
            return "silent"
        return "died" if self.watchdog.began(trial) else "unstarted"

    def busy(self, trial: int) -> Fault | None:
        """Handle a trial whose folder is locked by another process; return a fault if that ends the search."""
        return self._follow(trial, "busy", LockedError.kind)

    def _follow(self, trial: int, cause: Cause, kind: str) -> Fault | None:
        self.watchdog.turn_ended(trial)
        now = ledger.reread(self._run, trial)
        if now.ended:  # its last words were lost
            return None
        verdict = self._budgets.died(trial, cause)
        if verdict == "machine":
            return Fault(kind, self._accusation(now, cause))
        if verdict == "failed":
            when_free(lambda: blame(now, FAILED[cause]))  # Ray tells of a death before the process has gone
        else:
            self.turns.again(trial)
        return None

    def _accusation(self, trial: ledger.Trial, cause: Cause) -> str:
        if cause == "busy":
            return f"in use: {trial.folder}: another process trains this trial. Wait for it, or stop it first."
        where = f"at epoch {len(trial.epochs) + 1}, and no other trial trained meanwhile, so it may be the machine"
        if cause == "unstarted":
            where = "each time before it began to train, so it is the machine"
        log = f"{self._run.folder}/ray/output.log"
        return f"worker lost repeatedly: {trial.folder}: {where}. Read {log}, then run the same command again."
