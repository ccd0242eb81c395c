"""Early-stopping decisions: durable before they are acted on, replayed and never taken again."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from search.stopping import decide, milestones, survivors
from trainables import durable
from trainables.durable import Record


class Decisions:
    """The rungs of one search, rebuilt from decisions.jsonl and written to it.

    Args:
        path: decisions.jsonl.
        scheduler: of run.json; only asha decides here, when a trial arrives.
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
        for record in past if early else ():
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
        durable.append(self.path, entry(len(self.taken) + 1, trial, epoch, value, bar, stop))
        self.rungs[epoch].append(value)
        return stop


def halve(path: Path, past: Sequence[Record], epoch: int, values: Mapping[int, float], factor: int) -> None:
    """Decide a whole rung at once, in one durable write; trials that were decided there before keep their decision.

    Args:
        past: every decision so far.
        values: trial index to its val_accuracy at the rung, for all trials that reached it.

    Raises:
        StorageError: nothing was decided.
    """
    decided = {record["trial"] for record in past if record["epoch"] == epoch}
    going_on = survivors(values, factor)
    bar = min(values[trial] for trial in going_on)
    new = [trial for trial in sorted(values) if trial not in decided]
    records = [
        entry(number, trial, epoch, values[trial], bar, trial not in going_on)
        for number, trial in enumerate(new, len(past) + 1)
    ]
    durable.append(path, *records)


def entry(sequence: int, trial: int, epoch: int, value: float, cutoff: float | None, stop: bool) -> Record:
    """One line of decisions.jsonl."""
    return {
        "sequence": sequence,
        "trial": trial,
        "epoch": epoch,
        "value": value,
        "cutoff": cutoff,
        "decision": "stop" if stop else "continue",
    }
