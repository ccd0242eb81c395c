"""Check decisions about whole rungs in decisions.jsonl: replay each one on the ledgers' values, in the order of the file."""

from collections.abc import Sequence

from analysis.verify.evidence import WHOLE, Evidence, Line
from analysis.verify.trial import TrialFiles
from search.records import Totals
from search.run import cuts
from search.run.ledger import CUT, are_indices
from search.stopping import rules
from search.stopping.cuts import LISTS, Course, Curve
from trainables.files.durable import Record
from trainables.objective import Objective

Trials = dict[int, TrialFiles]


def is_cut(evidence: Evidence, line: Line) -> bool:
    """Whether a line has the shape of a cut or a thaw; if not, the faults are recorded as violations."""
    if not evidence.has_shape(line.where, line.record, CUT):
        return False
    wrong = [key for key in LISTS if not are_indices(line.record.get(key, []))]
    for key in wrong:
        evidence.wrong(line.where, f"{key} is {line.record[key]!r}")
    if "goes_on" in line.record and not evidence.has_shape(line.where, line.record, {"until": WHOLE}):
        return False
    return not wrong


def check_rungs(evidence: Evidence, totals: Sequence[Line], scheduler: Record) -> None:
    """Check that each line's rungs, with their numbers of places, are those that the rule computes."""
    for line in totals:
        record, expected = line.record, None
        if rules.cuts(scheduler):
            counted = rules.places(scheduler, record["trials"], record["epochs"])
            expected = [list(place) for place in counted]
        if record.get("rungs") != expected:
            evidence.wrong(line.where, f"rungs are {record.get('rungs')}, but the rule says {expected}")


def course(
    scheduler: Record, seed: int, history: Sequence[Totals], searched: Sequence[int], objective: Objective
) -> Course | None:
    """The course of a run's cuts before the first of them; None if the run has no cuts.

    Args:
        searched: the trials of the search, in the order of the plan.
    """
    stages = cuts.stages(history)
    return Course(stages, cuts.entries(history, searched), scheduler, seed, objective) if stages else None


def check_cuts(evidence: Evidence, lines: Sequence[Line], course: Course, trials: Trials) -> None:
    """Check each line against the rule on the values at its time, and that no trial went on without a line that allows it."""
    known = {index: trials[index] for index in course.entries if index in trials}
    if len(known) < len(course.entries):
        return  # the plan is damaged, which was said
    for line in lines:
        check_line(evidence, line, course, known)
        course.take(line.record)
    whole = {index: curve(trial) for index, trial in known.items()}
    while course.next(whole) is None and course.number + 1 < len(course.stages) and not any(course.open(whole)):
        course.begin(course.stages[course.number + 1].line)
    for index, limit in course.limits(whole).items():
        if len(known[index].rows) > limit:
            evidence.wrong(
                known[index].rows[limit].where, f"an epoch after {limit}, where nothing let trial {index} go on"
            )


def check_line(evidence: Evidence, line: Line, course: Course, trials: Trials) -> None:
    record = line.record
    course.begin(record["totals"])
    quotas = dict(course.stage.places)
    if record["totals"] != course.stage.line or record["epoch"] not in quotas:
        evidence.wrong(line.where, f"epoch {record['epoch']} is not a rung of this search")
        return
    named = {index for key in LISTS for index in record.get(key, ())}
    if strange := named - set(course.trials):
        evidence.wrong(line.where, f"trial {min(strange)} is not planned")
        return
    then = {index: curve(trial, None if index in named else record["epoch"]) for index, trial in trials.items()}
    is_thaw = "thaw" in record
    expected = course.thaw(then) if is_thaw else course.cut(then, record["epoch"], quotas[record["epoch"]])
    for key in sorted({*(expected or {}), *record} - {"sequence"}):
        if (found := record.get(key)) != (right := (expected or {}).get(key)):
            evidence.wrong(line.where, f"{key} is {found}, but replayed it is {right}")


def curve(trial: TrialFiles, before: int | None = None) -> Curve:
    """The learning curve of a trial.

    Args:
        before: the epoch of a line that does not name this trial; if the trial failed before that epoch, the curve ends at the
            first failure. None for the whole curve.
    """
    values = [trial.value(epoch) for epoch in range(1, len(trial.rows) + 1)]
    failures = [epochs for epochs, outcome in trial.outcomes if outcome == "failed"]
    if before is not None and failures and failures[0] < before:
        return Curve(values[: failures[0]], failed=True)
    outcome = trial.outcomes[-1][1] if trial.is_over else ""
    return Curve(values, outcome == "diverged", outcome == "failed")
