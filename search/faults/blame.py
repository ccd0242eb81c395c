"""Whose fault it is that a worker died: counted for each trial, apart from the errors of configurations. No Ray.

Nobody can see from outside whether a machine or a configuration ended a process, so a trial is blamed on evidence only:
its worker died again and again at the same epoch, the last times with nothing beside it, while other trials trained.
"""

from typing import Literal

# gpu_memory: of a GPU that trials share; busy: another process still holds the trial's folder
Cause = Literal["died", "memory", "gpu_memory", "silent", "unstarted", "busy"]
Verdict = Literal["again", "failed", "machine"]
# In a row without a new epoch:
DEATHS: dict[Cause, int] = {"died": 2, "memory": 1, "gpu_memory": 1, "silent": 2, "unstarted": 3, "busy": 2}
BLAMELESS = ("unstarted", "busy")  # nothing of the configuration had a hand in these


class Budgets:
    """The deaths of workers in one search, since the command was given."""

    def __init__(self) -> None:
        self.aside: set[int] = set()  # trials that run alone from now on, after all others
        # Of a trial's workers since its last new epoch, or since it was set aside: while it trained, and blameless ones.
        self._deaths: dict[int, list[int]] = {}
        self._trained: set[int] = set()  # trials that committed an epoch

    def progressed(self, trial: int) -> None:
        """An epoch was committed: what happened before is forgiven."""
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
        """Memory that runs out with nothing beside the trial is proof enough; else others must have shown a sound machine."""
        if cause in ("memory", "gpu_memory"):
            return trial in self.aside
        return bool(self._trained - {trial}) and (trial in self.aside or cause == "silent")
