"""Check the plan in trials.jsonl: indices, ids, the seeds of each configuration, and the fresh seeds of confirmations."""

from analysis.verify.evidence import Evidence, Line
from search.records import Totals
from search.run import confirmation, plan
from search.run.ledger import PLANNED
from spaces import MAX_GRID
from trainables.config import key_of, trial_id, trial_id_of_schema_1
from trainables.files.durable import Record


def check_plan(evidence: Evidence, totals: list[Line], seed: int, schema: int, folds: int) -> list[Line]:
    """Check the plan: indices count from 0, ids fit the configurations, no trial is twice or too many, and seeds are right.

    Args:
        totals: the lines of totals.jsonl.
        seed: the seed of the run.
        schema: the schema in which the run was begun.
        folds: the number of folds of the run, or 0.

    Returns:
        The lines whose id is safe as part of a path.
    """
    lines = evidence.lines(evidence.run / "trials.jsonl", PLANNED)
    ids = [trial_id] if schema > 1 else [trial_id, trial_id_of_schema_1]  # trials that were added later have new ids
    names: set[str] = set()
    seen: dict[str, str] = {}  # by content, because two of thousands of trials may have the same six digits
    for position, line in enumerate(lines):
        record = line.record
        known = [name(record["config"], record["seed"]) for name in ids]
        if record["index"] != position:
            evidence.wrong(line.where, f"index is {record['index']}, not {position}")
        if record["id"] not in known:
            evidence.wrong(line.where, f"id is {record['id']!r}, but that of its configuration and seed is {known[0]}")
        content = f"{key_of(record['config'])} {record['seed']}"
        if content in seen:
            evidence.wrong(line.where, f"the same configuration and seed as {seen[content]}")
        seen.setdefault(content, line.where)
        names |= set(known)
    for line in totals if folds else ():
        if line.record["seeds"] != folds:
            evidence.wrong(line.where, f"seeds is {line.record['seeds']}, but there are {folds} folds with one each")
    if totals and is_possible(evidence, totals[-1]):
        searched = [line for line in lines if line.record["source"] != confirmation.SOURCE]
        check_search(evidence, searched, [Totals.read(line.record, line.where) for line in totals], seed, folds)
        confirming = [line for line in lines if line.record["source"] == confirmation.SOURCE]
        check_confirmation(evidence, confirming, searched, totals[-1].record, seed, folds)
    return [line for line in lines if line.record["id"] in names]


def is_possible(evidence: Evidence, totals: Line) -> bool:
    """Whether the totals are small enough to enumerate all trials; if not, a violation is recorded."""
    record = totals.record
    if record["trials"] * record["seeds"] <= MAX_GRID and record["confirm"] * record["confirm_seeds"] <= MAX_GRID:
        return True
    evidence.wrong(totals.where, "more trials than any search has")
    return False


def check_fold(evidence: Evidence, line: Line, expected: int, folds: int) -> None:
    """Check that the fold of a trial is the expected one, which follows from its seed."""
    found = line.record.get("fold")
    if folds and found != expected:
        evidence.wrong(line.where, f"fold is {found}, not {expected}")


def check_search(evidence: Evidence, lines: list[Line], history: list[Totals], seed: int, folds: int) -> None:
    """Check that points, seeds and folds of the search have the order in which they were asked for."""
    order = plan.order(history)
    points: dict[int, Record] = {}
    if len(lines) > len(order):
        evidence.wrong(lines[-1].where, f"{len(lines)} trials where {len(order)} were asked for")
    for line, (point, replicate) in zip(lines, order, strict=False):
        expected = plan.replicate_seed(seed, replicate)
        if line.record["seed"] != expected:
            evidence.wrong(line.where, f"seed is {line.record['seed']}, not {expected}")
        check_fold(evidence, line, replicate + 1, folds)
        if line.record["config"] != points.setdefault(point, line.record["config"]):
            evidence.wrong(line.where, f"another configuration than that of point {point} on its first seed")


def check_confirmation(
    evidence: Evidence, lines: list[Line], searched: list[Line], totals: Record, seed: int, folds: int
) -> None:
    """Check that the confirmation trains configurations of the search on the fresh seeds that were asked for."""
    seeds = {confirmation.seed_of(seed, replicate): replicate for replicate in range(totals["confirm_seeds"])}
    configs = {key_of(line.record["config"]) for line in searched}
    for line in lines:
        if line.record["seed"] not in seeds:
            evidence.wrong(line.where, f"seed {line.record['seed']} is none of the confirmation")
        else:
            check_fold(evidence, line, confirmation.fold_of(folds, seeds[line.record["seed"]]), folds)
        if key_of(line.record["config"]) not in configs:
            evidence.wrong(line.where, "confirms a configuration that was not searched")
