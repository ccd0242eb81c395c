"""Early-stopping decisions: each is durable before it takes effect, and is replayed and never made again."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from search.run.ledger import Run
from search.stopping.arrivals import Rungs
from search.stopping.rules import is_audited, least, quota, survivors
from trainables.files import durable
from trainables.files.durable import Record
from trainables.objective import Objective


class Decisions:
    """The rungs of one search, rebuilt from decisions.jsonl and written to it.

    Args:
        path: decisions.jsonl.
        scheduler: of run.json. A rule that decides when a trial arrives decides here; `halve` decides about whole rungs.
        epochs: of a whole trial.
        past: what decisions.jsonl holds.
        seed: of the run; it draws which trials are audited.
        exempt: trials that are never stopped.
        objective: of the run.
    """

    def __init__(
        self,
        path: Path,
        scheduler: Record,
        epochs: int,
        past: Sequence[Record],
        objective: Objective,
        seed: int = 0,
        exempt: Collection[int] = (),
    ) -> None:
        self.path, self.scheduler, self.seed, self.exempt = path, scheduler, seed, exempt
        self.rungs = Rungs(scheduler, epochs, objective)
        self.taken: dict[tuple[int, int], bool] = {}  # (trial, epoch) to whether it stops there
        for record in past:
            self._count(record)

    def stops(self, trial: int, epoch: int, value: float) -> bool:
        """Whether a trial stops after this epoch; never after an epoch without a decision, and never if the trial is exempt.

        Raises:
            StorageError: the decision could not be written down, so it is not taken.
        """
        if epoch not in self.rungs.epochs or trial in self.exempt:
            return False
        if (trial, epoch) not in self.taken:
            record = self._decide(trial, epoch, value)
            durable.append(self.path, record)
            self._count(record)
        return self.taken[trial, epoch]

    def _decide(self, trial: int, epoch: int, value: float) -> Record:
        stop, bar = self.rungs.judge(trial, epoch, value)
        audit = trial in self.rungs.audited or (stop and is_audited(self.scheduler, self.seed, trial))
        return entry(len(self.taken) + 1, trial, epoch, value, bar, stop, audit)

    def _count(self, record: Record) -> None:
        self.taken[record["trial"], record["epoch"]] = record["decision"] == "stop"
        self.rungs.count(record["trial"], record["epoch"], record["value"], record.get("audit", False))


def of_run(run: Run) -> Decisions:
    """The decisions of a run as it is now. Trials that confirm are never stopped."""
    exempt = {trial.index for trial in run.fresh_trials}
    path, identity = run.folder / "decisions.jsonl", run.identity
    return Decisions(
        path, identity.scheduler, run.totals.epochs, run.decisions, identity.objective, identity.seed, exempt
    )


def halve(
    path: Path,
    past: Sequence[Record],
    epoch: int,
    values: Mapping[int, float],
    planned: int,
    scheduler: Record,
    objective: Objective,
    seed: int = 0,
) -> None:
    """Decide a whole rung at once, in one durable write; trials that were decided there before keep their decision.

    Trials that were audited at an earlier rung go on, and the other trials are judged without them.

    Args:
        past: every decision so far.
        values: trial index to its value at the rung, for all trials that reached it.
        planned: trials of the search.

    Raises:
        StorageError: nothing was decided.
    """
    decided = {record["trial"] for record in past if record["epoch"] == epoch}
    audited = {record["trial"] for record in past if record.get("audit") and record["epoch"] < epoch}
    judged = {trial: value for trial, value in values.items() if trial not in audited}
    going_on = survivors(judged, quota(scheduler, epoch, planned, len(judged)), objective)
    bar = least(values, going_on, objective)
    records = []
    for number, trial in enumerate(sorted(values.keys() - decided), len(past) + 1):
        stop = trial in judged and trial not in going_on
        audit = trial in audited or (stop and is_audited(scheduler, seed, trial))
        records.append(entry(number, trial, epoch, values[trial], bar, stop, audit))
    durable.append(path, *records)


def entry(
    sequence: int, trial: int, epoch: int, value: float, cutoff: float | None, stop: bool, audit: bool = False
) -> Record:
    """One line of decisions.jsonl; an audited trial goes on whatever the rule says."""
    return {
        "sequence": sequence,
        "trial": trial,
        "epoch": epoch,
        "value": value,
        "cutoff": cutoff,
        "decision": "stop" if stop and not audit else "continue",
        **({"audit": True} if audit else {}),
    }
