"""decisions.jsonl against the ledgers and against the rule: every decision is replayed in the order it was taken."""

import itertools

from analysis.evidence import NUMBER, WHOLE, Evidence, Line
from analysis.verify_trial import TrialFiles
from search import ledger
from search.ledger import Shape
from search.stopping import decide, milestones, survivors
from trainables.durable import Record

DECISION: Shape = {**ledger.DECISION, "sequence": WHOLE, "cutoff": (*NUMBER, type(None))}

Trials = dict[int, TrialFiles]


def check_decisions(
    evidence: Evidence, decisions: list[Line], trials: Trials, scheduler: Record | None, epochs: int
) -> None:
    """Taken in sequence, on values of the ledgers, nothing after a stop; and at rungs, as the rule says.

    Args:
        scheduler: of the whole search; none if it was changed on the way, so that no single rule can be replayed.
    """
    taken: set[tuple[int, int]] = set()
    for position, line in enumerate(decisions, 1):
        if line.record["sequence"] != position:
            evidence.wrong(line.where, f"sequence is {line.record['sequence']}, not {position}")
        check_decision(evidence, line, trials.get(line.record["trial"]), taken)
    if scheduler is None:
        return
    rungs = rungs_of(scheduler, epochs)
    for line in decisions:
        if line.record["epoch"] not in rungs:
            evidence.wrong(line.where, f"epoch {line.record['epoch']} is no rung of this search")
    replay = replay_sha if scheduler["name"] == "sha" else replay_asha
    at_rungs = [line for line in decisions if line.record["epoch"] in rungs]
    replay(evidence, at_rungs, scheduler.get("reduction_factor", 0))
    check_undecided(evidence, rungs, taken, trials)


def rungs_of(scheduler: Record, epochs: int) -> list[int]:
    """The epochs at which this search decides."""
    grace, factor = scheduler.get("grace_period", 0), scheduler.get("reduction_factor", 0)
    is_halving = scheduler["name"] in ("asha", "sha") and grace > 0 and factor > 1
    return milestones(grace, factor, epochs) if is_halving else []


def check_decision(evidence: Evidence, line: Line, trial: TrialFiles | None, taken: set[tuple[int, int]]) -> None:
    """One decision against the ledger of its trial."""
    record = line.record
    index, epoch = record["trial"], record["epoch"]
    if (index, epoch) in taken:
        evidence.wrong(line.where, f"trial {index} was decided about at epoch {epoch} before")
    taken.add((index, epoch))
    if trial is None:
        evidence.wrong(line.where, f"trial {index} is not planned")
    elif not 1 <= epoch <= len(trial.rows):
        evidence.wrong(line.where, f"trial {index} has no epoch {epoch}")
    elif record["value"] != trial.value(epoch):
        evidence.wrong(line.where, f"value is {record['value']}, but the ledger says {trial.value(epoch)}")
    elif record["decision"] == "stop" and len(trial.rows) > epoch:
        evidence.wrong(trial.rows[epoch].where, f"an epoch after {line.where} stopped the trial")


def replay_asha(evidence: Evidence, decisions: list[Line], factor: int) -> None:
    """Each decision on the values that were there before it."""
    rungs: dict[int, list[float]] = {}
    for line in decisions:
        values = rungs.setdefault(line.record["epoch"], [])
        stop, cutoff = decide(rungs, line.record["epoch"], line.record["value"], factor)
        compare(evidence, line, stop, cutoff)
        values.append(line.record["value"])


def replay_sha(evidence: Evidence, decisions: list[Line], factor: int) -> None:
    """Each rung on the values of all that were there; it is decided again when more trials were asked for."""
    rungs: dict[int, dict[int, float]] = {}
    for epoch, group in itertools.groupby(decisions, key=lambda line: line.record["epoch"]):
        lines, values = list(group), rungs.setdefault(epoch, {})
        while lines:
            together = taken_together(lines, values, factor)
            for line, stop, cutoff in verdicts(together, values, factor):
                compare(evidence, line, stop, cutoff)
            values |= values_of(together)
            lines = lines[len(together) :]


def taken_together(lines: list[Line], values: dict[int, float], factor: int) -> list[Line]:
    """The longest start of these decisions that agrees with itself; all of them if none does."""
    for size in range(len(lines), 0, -1):
        if all(is_as(*verdict) for verdict in verdicts(lines[:size], values, factor)):
            return lines[:size]
    return lines


def verdicts(lines: list[Line], values: dict[int, float], factor: int) -> list[tuple[Line, bool, float]]:
    """What the rule says if these decisions are taken at once, at a rung where others were before."""
    known = values | values_of(lines)
    going_on = survivors(known, factor)
    cutoff = min(known[trial] for trial in going_on)
    return [(line, line.record["trial"] not in going_on, cutoff) for line in lines]


def values_of(lines: list[Line]) -> dict[int, float]:
    return {line.record["trial"]: line.record["value"] for line in lines}


def is_as(line: Line, stop: bool, cutoff: float | None) -> bool:
    expected = "stop" if stop else "continue"
    return (line.record["decision"], line.record["cutoff"]) == (expected, cutoff)


def compare(evidence: Evidence, line: Line, stop: bool, cutoff: float | None) -> None:
    if not is_as(line, stop, cutoff):
        found = f"{line.record['decision']} at {line.record['cutoff']}"
        evidence.wrong(line.where, f"{found}, but replayed it is {'stop' if stop else 'continue'} at {cutoff}")


def check_undecided(evidence: Evidence, rungs: list[int], taken: set[tuple[int, int]], trials: Trials) -> None:
    """No trial went past a rung without a decision."""
    for index, trial in trials.items():
        for epoch in rungs:
            if len(trial.rows) > epoch and (index, epoch) not in taken:
                evidence.wrong(trial.rows[epoch].where, f"an epoch after rung {epoch}, where nothing was decided")
