"""Check whether a run folder keeps every invariant of a search; `python -m analysis verify RUN` prints the violations.

This module loads neither Ray nor torch. A run whose process was killed is no violation, and neither are the files that a killed
process may leave behind. The exception is temporary files, which the next start of the search removes.
"""

import itertools
import json
import shlex
from pathlib import Path

from analysis.frame import predictions
from analysis.verify.code import check_code
from analysis.verify.cuts import check_rungs, course, is_cut
from analysis.verify.decisions import DECISION, check_decisions, is_rule
from analysis.verify.evidence import TEXT, WHOLE, Evidence, Line
from analysis.verify.plan import check_plan, is_possible
from analysis.verify.points import check_points
from analysis.verify.trial import TrialFiles, folder_of, read_trial
from search.records import ALLOWABLE, GROWING, SCHEMA, SCHEMAS, UNSAID, Identity, Shape, Totals
from search.run import confirmation, ledger
from search.run.lock import held
from search.stopping.cuts import left_behind
from trainables.data.held_out import folds
from trainables.errors import RunError
from trainables.files.durable import Record

SIZES: Shape = {"train": WHOLE, "val": WHOLE, "test": WHOLE}
TEST: Shape = {**ledger.TEST, "epoch": WHOLE}
LEFT_BEHIND = "left behind by a killed process"
RESULT: Shape = {"id": TEXT, "rank": (int, type(None)), "status": TEXT, "epochs": WHOLE, "index": WHOLE}


def verify(run_folder: Path) -> list[str]:
    """Every violation as `file:line: what`, the most basic first; an empty list if all invariants hold.

    While a process holds the run, only files to which lines are appended are checked, because other files may be rewritten.
    """
    evidence = Evidence(run_folder)
    identity = check_identity(evidence)
    if identity is None:
        return evidence.problems
    is_held = bool(held(run_folder))
    decisions, tests = (evidence.lines(run_folder / f"{name}.jsonl", shape) for name, shape in LEDGERS)
    decisions = [line for line in decisions if is_decision(evidence, line)]
    totals = check_totals(evidence)
    folders = sorted((run_folder / "trials").glob("*"))  # listed before the plan, which may grow meanwhile
    plan = check_plan(evidence, totals, identity.seed, identity.schema, identity.folds)
    is_readable = bool(totals) and not evidence.problems  # otherwise a trial's point is not certain
    asked = [line.record["epochs"] for line in totals]
    facts = is_held, identity.objective
    trials = {
        line.record["index"]: read_trial(evidence, line, asked, validated_on(evidence, identity, line.record), *facts)
        for line in plan
    }
    searched = [line for line in plan if line.record["source"] != confirmation.SOURCE]
    if is_readable:
        check_points(evidence, identity, [asked_by(line) for line in totals], searched, trials)
    check_folders(evidence, folders, trials)
    check_code(evidence, identity.own_code, totals, trials)
    scheduler = None if was_changed("scheduler", totals) else identity.scheduler
    cut = None
    if scheduler and totals and is_possible(evidence, totals[-1]):
        check_rungs(evidence, totals, scheduler)
        searches = [line.record["index"] for line in searched]
        history = [asked_by(line) for line in totals]
        cut = course(scheduler, identity.seed, history, searches, identity.objective) if is_readable else None
    counts = sorted({line.record["trials"] * line.record["seeds"] for line in totals})
    longest, objective = max(asked, default=0), identity.objective
    check_decisions(evidence, decisions, trials, scheduler, longest, identity.seed, counts, objective, cut)
    check_tests(evidence, tests, trials)
    if not is_held:
        if not identity.folds:  # the winner's weights are those of its first fold, whatever its best one is
            check_winner(evidence, totals, trials, stopped(decisions, trials, longest))
        check_results(evidence, trials, [line.record for line in plan])
        check_leftovers(evidence)
    return evidence.problems


def validated_on(evidence: Evidence, identity: Identity, planned: Record) -> int:
    """The number of images on which a trial is validated.

    For folds of whole groups this is the number of predictions that the trial kept, and 0 if the trial kept none.
    """
    if not identity.folds:
        return identity.val_images
    fold = planned.get("fold")
    if not identity.census.get("groups") and isinstance(fold, int) and fold > 0:
        return folds.size(identity.val_images, folds.Fold(fold, identity.folds))
    try:
        return len(predictions.read(folder_of(evidence, planned)).correct)
    except (OSError, ValueError):
        return 0


SEQUENCE: Shape = {"sequence": WHOLE}
LEDGERS = (("decisions", SEQUENCE), ("tests", TEST))  # read before the trials, which may grow meanwhile


def is_decision(evidence: Evidence, line: Line) -> bool:
    """Whether a line has the shape of a decision about one trial or a whole rung; if not, violations are recorded."""
    if "trial" in line.record:
        return evidence.has_shape(line.where, line.record, DECISION)
    return is_cut(evidence, line)


def check_identity(evidence: Evidence) -> Identity | None:
    """Read and check run.json; None if the file is missing, has an unknown format, or lacks a required entry."""
    path = evidence.run / "run.json"
    if evidence.content(path) is None:
        evidence.wrong("run.json", "missing, so this is no run")
        return None
    record = evidence.object(path, {})
    if record is None or not evidence.has_shape("run.json:1", record, Identity.shape(record)):
        return None
    if record.get("training") is None and not evidence.has_shape("run.json:1", record["sizes"], SIZES):
        return None
    if record["schema"] not in SCHEMAS:
        evidence.wrong("run.json:1", f"schema is {record['schema']}, not {SCHEMA}")
        return None
    if not is_rule(evidence, "run.json:1", record["scheduler"]):
        return None
    try:
        return Identity.read(record, "run.json")
    except RunError:
        evidence.wrong("run.json:1", f"objective is {record['objective']!r}")
        return None


def check_totals(evidence: Evidence) -> list[Line]:
    """Read totals.jsonl, and check that there is at least one line and that no total shrinks."""
    found = evidence.lines(evidence.run / "totals.jsonl", {})
    totals = [Line(line.where, {**UNSAID, **line.record}) for line in found]
    totals = [line for line in totals if evidence.has_shape(line.where, line.record, Totals.shape(line.record))]
    if not totals and (evidence.run / "trials.jsonl").exists():  # without a plan its start was cut off
        evidence.wrong("totals.jsonl:1", "no line, so nothing was asked for")
    for before, after in itertools.pairwise(totals):
        for key in GROWING:
            if after.record[key] < before.record[key]:
                evidence.wrong(after.where, f"{key} shrinks from {before.record[key]} to {after.record[key]}")
    for line in totals:
        check_allowed(evidence, line)
    return totals


def asked_by(line: Line) -> Totals:
    """The totals in a line of totals.jsonl whose shape was checked."""
    return Totals.read(line.record, line.where)


def check_allowed(evidence: Evidence, line: Line) -> None:
    """Check the changes of the identity that --allow-changes allowed.

    Each line with changes must describe them in words, and the other way round. No entry may change that must never change,
    and each new value must have a valid shape.
    """
    changed, words = line.record.get("identity", {}), line.record["allowed"]
    if bool(changed) != bool(words):
        what = (
            f"{', '.join(changed)} changed, but no change was allowed"
            if changed
            else "allowed without a change of identity"
        )
        evidence.wrong(line.where, what)
    renamed = {"space_hash"} if "schema" in changed else set()  # each schema writes a space differently
    for key in changed.keys() - set(ALLOWABLE) - renamed:
        evidence.wrong(line.where, f"{key} may not change")
    known = {key: types for key, types in Identity.shape().items() if key in changed and key in ALLOWABLE}
    if evidence.has_shape(line.where, changed, known) and "scheduler" in known:
        is_rule(evidence, line.where, changed["scheduler"])


def was_changed(key: str, totals: list[Line]) -> bool:
    """Whether an entry of the identity changed during the search, as --allow-changes permits."""
    return any(key in line.record.get("identity", {}) for line in totals)


def check_folders(evidence: Evidence, folders: list[Path], trials: dict[int, TrialFiles]) -> None:
    """Check that each of these folders belongs to a trial of the plan."""
    known = {trial.folder.name for trial in trials.values()}
    for path in folders:
        if path.name not in known:
            evidence.wrong(evidence.relative(path), "of no planned trial")


def check_tests(evidence: Evidence, tests: list[Line], trials: dict[int, TrialFiles]) -> None:
    """Check tests.jsonl: each test evaluation was announced first, its epoch exists, and its weights may be the trial's."""
    announced = set()
    for line in tests:
        record = line.record
        key = (record["weights"], record["trial"], record["epoch"])
        trial = trials.get(record["trial"])
        if record["state"] == "intent":
            announced.add(key)
        elif record["state"] != "done" or not isinstance(record.get("metrics"), dict):
            evidence.wrong(line.where, f"neither an intent nor metrics: state is {record['state']!r}")
        elif key not in announced:
            evidence.wrong(line.where, "done without an intent before it")
        if trial is None or not 1 <= record["epoch"] <= len(trial.rows):
            evidence.wrong(line.where, f"trial {record['trial']} has no epoch {record['epoch']}")
        elif "ensemble" not in record and not fits_weights(trial, record):
            evidence.wrong(line.where, f"the weights of trial {record['trial']} are others")


def fits_weights(trial: TrialFiles, record: Record) -> bool:
    """Whether a test evaluation may have used the trial's weights: those that are kept, or those of an earlier best epoch."""
    if trial.weights is None or trial.weights == (record["epoch"], record["weights"]):
        return True
    return record["epoch"] != trial.weights[0] and record["epoch"] in [best["epoch"] for best in trial.bests_ever()]


def stopped(decisions: list[Line], trials: dict[int, TrialFiles], epochs: int) -> set[int]:
    """The trials with a decision to stop, and the trials left behind at a rung that have less than all epochs."""
    one_by_one = {line.record["trial"] for line in decisions if line.record.get("decision") == "stop"}
    behind, reach = left_behind([line.record for line in decisions if "trial" not in line.record])
    lengths = {index: len(trial.rows) for index, trial in trials.items()}
    whole = {index for index in behind if reach.get(index, 0) <= lengths.get(index, -1) < epochs}
    return one_by_one | whole


def check_winner(evidence: Evidence, totals: list[Line], trials: dict[int, TrialFiles], stopped: set[int]) -> None:
    """Check that the best trial's weights in a complete run, if they are kept, have their sidecar best.json.

    The weights of another trial need no sidecar, because a kill may happen between removing the sidecar and the weights.
    """
    trials = {index: trial for index, trial in trials.items() if not trial.is_confirmation}
    is_complete = bool(totals) and len(trials) >= totals[-1].record["trials"] * totals[-1].record["seeds"]
    finished = [index for index, trial in trials.items() if trial.is_finished and index not in stopped and trial.rows]
    if not finished or not is_complete or not all(trial.is_over or i in stopped for i, trial in trials.items()):
        return
    winner = trials[min(finished, key=lambda index: (place_of_best(trials[index]), index))]
    if winner.weights is None and (winner.folder / "best.safetensors").exists():
        evidence.wrong(evidence.relative(winner.folder / "best.safetensors"), "no sidecar, although it is the winner's")


def place_of_best(trial: TrialFiles) -> float:
    """The key by which finished trials are sorted, best first."""
    return trial.objective.place(trial.best_value())


def remedy(run: str, found: list[str]) -> str:
    """The next step for these violations: derived files can be written again, a ledger cannot.

    Args:
        run: the run as the user named it.
        found: the violations.
    """
    if all(problem.startswith("results.json:") for problem in found):
        return f"The ledger is sound: python -m analysis leaderboard {shlex.quote(run)} writes the results again."
    if all(problem.endswith(LEFT_BEHIND) for problem in found):
        return "Nothing is lost: the same search again removes what a killed process left behind."
    if any("is not known" in problem for problem in found):
        return "A later version of this program may have written it: update this one."
    return "Restore the folder from a copy."


def check_results(evidence: Evidence, trials: dict[int, TrialFiles], plan: list[Record]) -> None:
    """Check results.json, if it exists: each row must fit the ledger as it was when the row was written.

    Ranks count configurations in the order of the rows. The seeds of one configuration share a rank, and a confirmation has
    none.
    """
    data = evidence.content(evidence.run / "results.json")
    if data is None:
        return
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError) as error:
        evidence.wrong("results.json:1", str(error))
        return
    if not isinstance(rows, list):
        evidence.wrong("results.json:1", "not a list")
        return
    planned = {record["index"]: record for record in plan}
    places: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        where = f"results.json:{number + 1}"  # one row a line, after the opening bracket
        if not evidence.has_shape(where, row, RESULT):
            continue
        if (record := planned.get(row["index"])) and row["rank"] != (place := place_of(record, places)):
            evidence.wrong(where, f"rank is {row['rank']}, not {place}")
        check_result(evidence, where, row, trials.get(row["index"]))


def place_of(planned: Record, places: dict[str, int]) -> int | None:
    """The expected rank of a trial in results.json; None for a confirmation.

    Args:
        planned: the trial's line of the plan.
        places: the ranks of the configurations so far; a new configuration gets the next rank.
    """
    if planned["source"] == confirmation.SOURCE:
        return None
    return places.setdefault(json.dumps(planned["config"], sort_keys=True), len(places) + 1)


def check_result(evidence: Evidence, where: str, row: Record, trial: TrialFiles | None) -> None:
    """Check one row of results.json against the epochs that its trial had when the row was written."""
    if trial is None or trial.id != row["id"]:
        evidence.wrong(where, f"trial {row['index']} with id {row['id']} is not planned")
        return
    if not 0 <= row["epochs"] <= len(trial.rows):
        evidence.wrong(where, f"{row['epochs']} epochs where the ledger has {len(trial.rows)}")
        return
    best = trial.best(row["epochs"])
    column = trial.objective.column
    expected = (best["epoch"], best[column]) if best else (None, None)
    if (row.get("best_epoch"), row.get(column)) != expected:
        evidence.wrong(where, f"best epoch and {column} are not the ledger's {expected}")
    if row["status"] in ("finished", "diverged", "failed") and (row["epochs"], row["status"]) not in trial.outcomes:
        evidence.wrong(where, f"{row['status']} after {row['epochs']} epochs, which the ledger does not say")


def check_leftovers(evidence: Evidence) -> None:
    """Check that no temporary file was left behind; the files of Ray under ray/ are not checked."""
    for path in sorted(evidence.run.rglob(".*.tmp")):
        if path.relative_to(evidence.run).parts[0] != "ray":
            evidence.wrong(evidence.relative(path), LEFT_BEHIND)
