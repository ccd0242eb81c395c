"""Early-stopping decisions: durable before they are acted on, replayed and never taken again."""

from collections.abc import Sequence
from pathlib import Path

from search.stopping import decide, milestones
from trainables import durable
from trainables.durable import Record


class Decisions:
    """The rungs of one search, rebuilt from decisions.jsonl and written to it.

    Args:
        path: decisions.jsonl.
        scheduler: of run.json; {"name": "none"} never stops a trial.
        epochs: of a whole trial.
    """

    def __init__(self, path: Path, scheduler: Record, epochs: int, past: Sequence[Record]) -> None:
        self.path = path
        self.factor: int = scheduler.get("reduction_factor", 0)
        early = scheduler["name"] == "asha"
        self.rungs: dict[int, list[float]] = {
            epoch: [] for epoch in (milestones(scheduler["grace_period"], self.factor, epochs) if early else ())
        }
        self.taken = {(record["trial"], record["epoch"]): record["decision"] == "stop" for record in past}
        for record in past:
            self.rungs.setdefault(record["epoch"], []).append(record["value"])

    def stops(self, trial: int, epoch: int, value: float) -> bool:
        """Whether a trial stops after this epoch. Between rungs it never does.

        Raises:
            StorageError: the decision could not be written down, so it is not taken.
        """
        if epoch not in self.rungs:
            return False
        if (trial, epoch) not in self.taken:
            self.taken[trial, epoch] = self._take(trial, epoch, value)
        return self.taken[trial, epoch]

    def _take(self, trial: int, epoch: int, value: float) -> bool:
        stop, bar = decide(self.rungs, epoch, value, self.factor)
        decision = "stop" if stop else "continue"
        record = {
            "sequence": len(self.taken) + 1,
            "trial": trial,
            "epoch": epoch,
            "value": value,
            "cutoff": bar,
            "decision": decision,
        }
        durable.append(self.path, record)
        self.rungs[epoch].append(value)
        return stop
