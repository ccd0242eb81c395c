"""Decides whether a trial or the machine is at fault when a worker dies. No Ray.

Deaths are counted for each trial, apart from errors that a configuration raises. Nobody can see from outside whether a machine
or a configuration ended a process. So a trial is blamed on evidence only: its worker died again and again at the same epoch,
the last times with no other trial beside it, while other trials have trained. `_is_proven` has the exceptions.
"""

from typing import Literal

# gpu_memory: of a GPU that trials share; busy: another process still holds the trial's folder
Cause = Literal["died", "memory", "gpu_memory", "silent", "unstarted", "busy"]
Verdict = Literal["again", "failed", "machine"]
# In a row without a new epoch:
DEATHS: dict[Cause, int] = {"died": 2, "memory": 1, "gpu_memory": 1, "silent": 2, "unstarted": 3, "busy": 2}
BLAMELESS = ("unstarted", "busy")  # nothing of the configuration had a hand in these


class Budgets:
    """Counts the deaths of workers in one search since its command was started."""

    def __init__(self) -> None:
        self.aside: set[int] = set()  # trials that run alone from now on, after all others
        # Of a trial's workers since its last new epoch, or since it was set aside: while it trained, and blameless ones.
        self._deaths: dict[int, list[int]] = {}
        self._trained: set[int] = set()  # trials that committed an epoch

    def progressed(self, trial: int) -> None:
        """Note that a trial committed an epoch, and forget its earlier deaths."""
        self._trained.add(trial)
        self._deaths.pop(trial, None)

    def died(self, trial: int, cause: Cause) -> Verdict:
        """The verdict on a worker's end: its trial continues, has failed, or the machine is at fault."""
        deaths, is_blameless = self._deaths.setdefault(trial, [0, 0]), cause in BLAMELESS
        deaths[is_blameless] += 1
        if deaths[is_blameless] < DEATHS[cause]:
            return "again"
        if not is_blameless and self._is_proven(trial, cause):
            return "failed"
        if trial in self.aside:
            return "machine"
        self.aside.add(trial)
        del self._deaths[trial]
        return "again"

    def _is_proven(self, trial: int, cause: Cause) -> bool:
        """Whether the trial is certainly at fault.

        Memory that runs out while the trial runs alone is proof enough. For other causes another trial must have committed an
        epoch, and the trial must have run alone unless it was killed for silence.
        """
        if cause in ("memory", "gpu_memory"):
            return trial in self.aside
        return bool(self._trained - {trial}) and (trial in self.aside or cause == "silent")
