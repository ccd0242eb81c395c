"""Whose fault it is that a worker died: counted for each trial, apart from the errors of configurations. No Ray.

Nobody can see from outside whether a machine or a configuration ended a process, so a trial is blamed on evidence only:
its worker died again and again at the same epoch, the last times with nothing beside it, while other trials trained.
"""

from typing import Literal

Cause = Literal["died", "memory", "silent", "busy"]  # busy: another process still holds the trial's folder
Verdict = Literal["again", "failed", "machine"]
DEATHS: dict[Cause, int] = {"died": 2, "memory": 1, "silent": 2, "busy": 2}  # in a row without a new epoch


class Budgets:
    """The deaths of workers in one search, since the command was given."""

    def __init__(self) -> None:
        self.aside: set[int] = set()  # trials that run alone from now on, after all others
        self._deaths: dict[int, int] = {}  # of a trial's workers since its last new epoch, or since it was set aside
        self._trained: set[int] = set()  # trials that committed an epoch

    def progressed(self, trial: int) -> None:
        """An epoch was committed: what happened before is forgiven."""
        self._trained.add(trial)
        self._deaths.pop(trial, None)

    def died(self, trial: int, cause: Cause) -> Verdict:
        """What follows from the end of a worker: its trial goes on, has failed, or the machine is at fault."""
        self._deaths[trial] = self._deaths.get(trial, 0) + 1
        if self._deaths[trial] < DEATHS[cause]:
            return "again"
        if cause != "busy" and self._is_proven(trial, cause):
            return "failed"
        if trial in self.aside:
            return "machine"
        self.aside.add(trial)
        self._deaths[trial] = 0
        return "again"

    def _is_proven(self, trial: int, cause: Cause) -> bool:
        """Memory that runs out with nothing beside the trial is proof enough; else others must have shown a sound machine."""
        if cause == "memory":
            return trial in self.aside
        return bool(self._trained - {trial}) and (trial in self.aside or cause == "silent")
