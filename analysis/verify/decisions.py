"""Check decisions.jsonl against the ledgers and the early-stopping rule: replay every decision in its recorded order."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.verify.cuts import check_cuts
from analysis.verify.evidence import NUMBER, TEXT, WHOLE, Evidence, Line
from analysis.verify.trial import TrialFiles
from search.records import Shape
from search.run import ledger
from search.stopping.arrivals import Rungs
from search.stopping.base import version_of
from search.stopping.cuts import Course
from search.stopping.rules import decisive, is_audited, is_known, least, of, quota, survivors, waits
from spaces import Scheduler
from trainables.files.durable import Record
from trainables.objective import Objective

DECISION: Shape = {**ledger.DECISION, "sequence": WHOLE, "cutoff": (*NUMBER, type(None))}
Trials = dict[int, TrialFiles]


def check_decisions(
    evidence: Evidence,
    decisions: list[Line],
    trials: Trials,
    scheduler: Record | None,
    epochs: int,
    seed: int,
    counts: Sequence[int],
    objective: Objective,
    course: Course | None = None,
) -> None:
    """Check that decisions are in sequence, rest on the ledgers' values, end a stopped trial, and follow the rule at rungs.

    Args:
        scheduler: the rule of the whole search; None if it was changed on the way, because then no single rule can be replayed.
        epochs: the largest number of epochs that was asked for.
        seed: the seed of the run.
        counts: every number of trials that was asked for, ascending; a rung is decided when all these trials are planned.
        course: for a search whose rungs are cut, the course before the first cut.
    """
    for position, line in enumerate(decisions, 1):
        if line.record["sequence"] != position:
            evidence.wrong(line.where, f"sequence is {line.record['sequence']}, not {position}")
    if course and scheduler:
        for line in decisions:
            if "trial" in line.record:
                evidence.wrong(line.where, f"about one trial, but {scheduler['name']} decides about whole rungs")
        check_cuts(evidence, [line for line in decisions if "trial" not in line.record], course, trials)
        return
    taken: set[tuple[int, int]] = set()
    whole = [line for line in decisions if "trial" not in line.record]
    decisions = [line for line in decisions if "trial" in line.record]
    for line in decisions:
        check_decision(evidence, line, trials.get(line.record["trial"]), taken)
    if scheduler is None:
        return
    for line in whole:
        evidence.wrong(line.where, f"about a whole rung, but {scheduler['name']} decides about one trial at a time")
    rungs = decisive(scheduler, epochs)
    for line in decisions:
        if line.record["epoch"] not in rungs:
            evidence.wrong(line.where, f"epoch {line.record['epoch']} is not a rung of this search")
    at_rungs = [line for line in decisions if line.record["epoch"] in rungs]
    if waits(scheduler):
        Whole(scheduler, seed, at_rungs, counts, objective).replay(evidence)
    else:
        replay_arrivals(evidence, at_rungs, Rungs(scheduler, epochs, objective), seed)
    check_undecided(evidence, rungs, taken, trials)


def is_rule(evidence: Evidence, where: str, scheduler: Record) -> bool:
    """Whether a scheduler is a known rule with usable numbers; if not, the faults are recorded as violations."""
    if not evidence.has_shape(where, scheduler, {"name": TEXT}):
        return False
    if scheduler["name"] not in Scheduler.NAMES:
        evidence.wrong(where, f"scheduler is {scheduler['name']!r}")
        return False
    rule: Shape = {key: NUMBER if key == "share" else WHOLE for key in of(scheduler).reads}
    if not evidence.has_shape(where, scheduler, rule):
        return False
    least = {"reduction_factor": 2, "share": 1e-6}
    small = [key for key in rule if scheduler[key] < least.get(key, 1)]
    for key in small:
        evidence.wrong(where, f"{key} of the scheduler is {scheduler[key]}")
    if not evidence.has_shape(where, scheduler, {"version": WHOLE} if "version" in scheduler else {}):
        return False
    if not is_known(scheduler):
        evidence.wrong(where, f"version {version_of(scheduler)} of {scheduler['name']} is not known")
        return False
    return not small and ("audit" not in scheduler or evidence.has_shape(where, scheduler, {"audit": NUMBER}))


def check_decision(evidence: Evidence, line: Line, trial: TrialFiles | None, taken: set[tuple[int, int]]) -> None:
    """Check one decision against the ledger of its trial."""
    record = line.record
    index, epoch = record["trial"], record["epoch"]
    if (index, epoch) in taken:
        evidence.wrong(line.where, f"trial {index} was decided about at epoch {epoch} before")
    taken.add((index, epoch))
    if trial is None:
        evidence.wrong(line.where, f"trial {index} is not planned")
    elif trial.is_confirmation:
        evidence.wrong(line.where, f"trial {index} confirms, so nothing is decided about it")
    elif not 1 <= epoch <= len(trial.rows):
        evidence.wrong(line.where, f"trial {index} has no epoch {epoch}")
    elif record["value"] != trial.value(epoch):
        evidence.wrong(line.where, f"value is {record['value']}, but the ledger says {trial.value(epoch)}")
    elif record["decision"] == "stop" and len(trial.rows) > epoch:
        evidence.wrong(trial.rows[epoch].where, f"an epoch after {line.where} stopped the trial")


def replay_arrivals(evidence: Evidence, decisions: list[Line], rungs: Rungs, seed: int) -> None:
    """Replay a rule that decides when a trial arrives at a rung: each decision rests on the arrivals before it."""
    for line in decisions:
        record = line.record
        trial, epoch, value = record["trial"], record["epoch"], record["value"]
        stop, cutoff = rungs.judge(trial, epoch, value)
        audit = trial in rungs.audited or (stop and is_audited(rungs.scheduler, seed, trial))
        compare(evidence, line, Verdict(stop, cutoff, audit))
        rungs.count(trial, epoch, value, audit)


@dataclass(frozen=True)
class Verdict:
    """The rule's verdict on one trial at a rung; an audited trial goes on even if the verdict is to stop."""

    stop: bool
    cutoff: float | None
    audit: bool

    @property
    def word(self) -> str:
        return "stop" if self.stop and not self.audit else "continue"

    def is_of(self, line: Line) -> bool:
        found = (line.record["decision"], line.record["cutoff"], line.record.get("audit", False))
        return found == (self.word, self.cutoff, self.audit)


class Whole:
    """Replay a rule that waits for all trials of a rung.

    A rung is decided on the values of all trials that reached it, and decided again when more trials were asked for.
    """

    def __init__(
        self,
        scheduler: Record,
        seed: int,
        decisions: list[Line],
        counts: Sequence[int],
        objective: Objective,
    ) -> None:
        self.scheduler, self.seed, self.decisions, self.counts = scheduler, seed, decisions, counts or [0]
        self.objective = objective
        self.audited_at: dict[int, float] = {}  # trial to the first epoch where it ran on against the rule
        for line in decisions:
            if line.record.get("audit"):
                epoch, trial = line.record["epoch"], line.record["trial"]
                self.audited_at[trial] = min(epoch, self.audited_at.get(trial, math.inf))

    def replay(self, evidence: Evidence) -> None:
        rungs: dict[int, dict[int, float]] = {}
        for epoch, group in itertools.groupby(self.decisions, key=lambda line: line.record["epoch"]):
            lines, values = list(group), rungs.setdefault(epoch, {})
            while lines:
                verdicts = self.taken_together(lines, values)
                for line, verdict in zip(lines, verdicts, strict=False):
                    compare(evidence, line, verdict)
                values |= values_of(lines[: len(verdicts)])
                lines = lines[len(verdicts) :]

    def taken_together(self, lines: list[Line], values: dict[int, float]) -> list[Verdict]:
        """The verdicts of decisions that were taken at once: the longest start of `lines` that agrees with the rule.

        If no start agrees with the rule, these are the verdicts of all lines with the last of `counts`.
        """
        for size, planned in itertools.product(range(len(lines), 0, -1), self.counts):
            verdicts = self.verdicts(lines[:size], values, planned)
            if all(verdict.is_of(line) for line, verdict in zip(lines, verdicts, strict=False)):
                return verdicts
        return self.verdicts(lines, values, self.counts[-1])

    def verdicts(self, lines: list[Line], values: dict[int, float], planned: int) -> list[Verdict]:
        """The rule's verdicts if these decisions are taken at once, at a rung that other trials reached before.

        Args:
            values: the values of the trials that reached the rung before, by trial.
            planned: how many trials are planned.
        """
        epoch = lines[0].record["epoch"]
        known = {
            trial: value
            for trial, value in (values | values_of(lines)).items()
            if self.audited_at.get(trial, math.inf) >= epoch
        }
        going_on = survivors(known, quota(self.scheduler, epoch, planned, len(known)), self.objective)
        cutoff = least(known, going_on, self.objective)
        return [self.verdict(line.record["trial"], known, going_on, cutoff) for line in lines]

    def verdict(self, trial: int, known: dict[int, float], going_on: set[int], cutoff: float | None) -> Verdict:
        stop = trial in known and trial not in going_on
        return Verdict(stop, cutoff, trial not in known or (stop and is_audited(self.scheduler, self.seed, trial)))


def values_of(lines: list[Line]) -> dict[int, float]:
    return {line.record["trial"]: line.record["value"] for line in lines}


def compare(evidence: Evidence, line: Line, verdict: Verdict) -> None:
    if not verdict.is_of(line):
        found = f"{line.record['decision']} at {line.record['cutoff']}"
        audited = " as audited" if verdict.audit else ""
        evidence.wrong(line.where, f"{found}, but replayed it is {verdict.word}{audited} at {verdict.cutoff}")


def check_undecided(evidence: Evidence, rungs: Sequence[int], taken: set[tuple[int, int]], trials: Trials) -> None:
    """Check that no trial went past a rung without a decision."""
    for index, trial in trials.items():
        for epoch in passed(rungs, 0 if trial.is_confirmation else len(trial.rows)):
            if (index, epoch) not in taken:
                evidence.wrong(trial.rows[epoch].where, f"an epoch after rung {epoch}, where nothing was decided")


def passed(rungs: Sequence[int], epochs: int) -> Iterator[int]:
    """The rungs before an epoch; the iteration ends at the first later rung, because there may be very many."""
    return itertools.takewhile(lambda rung: rung < epochs, rungs)
