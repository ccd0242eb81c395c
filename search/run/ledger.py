"""The run folder, read back: identity, totals, plan, epochs, decisions, tests. The folder is the truth.

Layout in docs/architecture.md. Loads neither Ray nor torch, so that analysis can read a run anywhere.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import contains, itemgetter
from pathlib import Path
from typing import Any

from search.records import SCHEMA, SCHEMAS, UNSAID, Identity, Shape, Totals, is_until
from search.status import ENDED, Status
from search.stopping import cuts
from search.stopping.cuts import LISTS
from trainables.errors import RunError
from trainables.files.durable import Record, parse, read_json, read_last_with, read_lines
from trainables.objective import ACCURACY, Objective

CONFIRMATION = "confirm"  # the source of a trial that confirms

PLANNED: Shape = {"index": (int,), "id": (str,), "config": (dict,), "seed": (int,), "source": (str,)}
DECISION: Shape = {"trial": (int,), "epoch": (int,), "value": (int, float), "decision": (str,)}
CUT: Shape = {
    "sequence": (int,),
    "totals": (int,),
    "epoch": (int,),
    "whole": (int,),
}  # a line about a whole rung, see search/stopping/cuts.py
TEST: Shape = {"weights": (str,), "trial": (int,), "state": (str,)}
REPEATED = "repeated.jsonl"  # in a trial's folder, see trainables/trial/rows.py
OUTCOMES = ("finished", "diverged", "failed", "retried")  # the last one opens a failed trial again


@dataclass(frozen=True)
class Trial:
    """One planned configuration and what its folder holds so far."""

    index: int
    id: str
    config: dict[str, Any]  # complete, with the number of epochs asked for now
    seed: int
    source: str  # where the configuration came from: baseline, grid, random, ..., or confirm
    folder: Path
    epochs: list[Record] = field(default_factory=list)  # committed rows, epoch 1 first
    outcome: Record | None = None  # the last line, if it is one: {"outcome": finished | diverged | failed, ...}
    stopped_at: int | None = None  # epoch of the early-stopping decision that ended it
    objective: Objective = ACCURACY  # of its run
    fold: int = 0  # that it is validated on, from 1, see trainables/data/held_out/folds.py; 0 for the validation split
    repeated: list[Record] = field(
        default_factory=list
    )  # own training: epochs that came out differently when trained again

    @property
    def label(self) -> str:
        """The name of its folder, such as 0003-7f3a9c: index and id."""
        return labelled(self.index, self.id)

    @cached_property
    def status(self) -> Status:
        if self.stopped_at is not None:
            return "stopped"
        if self.outcome is not None and not self.was_lengthened:
            status: Status = self.outcome["outcome"]
            return status
        return "running" if self.epochs else "planned"

    @property
    def was_lengthened(self) -> bool:
        """Whether the trial finished when fewer epochs were asked for than now."""
        return self.outcome == {"outcome": "finished"} and len(self.epochs) < self.config["epochs"]

    @property
    def configuration(self) -> dict[str, Any]:
        """The configuration without its number of epochs."""
        return {key: value for key, value in self.config.items() if key != "epochs"}

    @property
    def confirms(self) -> bool:
        """Whether the trial belongs to the confirmation: it trains a chosen configuration again and has no part in choosing."""
        return self.source == CONFIRMATION

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @cached_property
    def best(self) -> Record | None:
        """The row of the best epoch."""
        return self.objective.best_epoch(self.epochs)

    @property
    def value(self) -> float | None:
        """The value of the objective at the best epoch."""
        return None if self.best is None else float(self.best[self.objective.column])

    @property
    def values(self) -> list[float]:
        """The value of each committed epoch."""
        return [row[self.objective.column] for row in self.epochs]


@dataclass(frozen=True)
class Run:
    """A whole run folder.

    Attributes:
        totals: what is asked for now, the last of `history`.
        decisions: one for each trial and rung; the line of a whole rung is split into one decision for each trial.
        cuts: the lines about whole rungs as they are written.
    """

    folder: Path
    identity: Identity
    totals: Totals
    trials: list[Trial]
    decisions: list[Record]
    tests: list[Record]
    history: list[Totals] = field(default_factory=list)
    cuts: list[Record] = field(default_factory=list)

    @property
    def name(self) -> str:
        name = self.folder.name
        return self.folder.resolve().name if name in ("", "..") else name

    def codes(self, trial: Trial) -> list[tuple[int, str]]:
        """The hashes of the user's code that trained a trial, each with its first epoch; without epochs, the present code."""
        reached = [(line.until["epochs"].get(str(trial.index), 0), line.until["own_code"]) for line in self.changes]
        reached.append((max(1, len(trial.epochs)), self.identity.own_code))
        found: list[tuple[int, str]] = []
        done = 0
        for until, code in reached:
            if until > done and (not found or found[-1][1] != code):
                found.append((done + 1, code))
            done = max(done, until)
        return found

    @property
    def changes(self) -> list[Totals]:
        """The lines of totals.jsonl that record a change of the user's code."""
        return [line for line in self.history if line.until]

    @property
    def asked(self) -> int:
        """The number of trials: those that are planned, and those that an adaptive algorithm will plan."""
        return max(len(self.search_trials), self.totals.trials * self.totals.seeds) + len(self.fresh_trials)

    @property
    def search_trials(self) -> list[Trial]:
        """All trials but those of the confirmation, which have no part in choosing."""
        return [trial for trial in self.trials if not trial.confirms]

    @property
    def fresh_trials(self) -> list[Trial]:
        """The trials of the confirmation, which train on fresh seeds."""
        return [trial for trial in self.trials if trial.confirms]

    @property
    def is_planned(self) -> bool:
        """Whether every trial of the search is planned; with an adaptive algorithm the plan grows while the search runs."""
        return len(self.search_trials) >= self.totals.trials * self.totals.seeds

    @property
    def search_ended(self) -> bool:
        """Whether every trial of the search is planned and has ended, so that there is a choice to confirm."""
        return self.is_planned and all(trial.ended for trial in self.search_trials)


def read(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        RunError: the folder is no run, was written by a newer version, or a file in it is damaged (named by file and line).
    """
    identity = read_identity(folder)
    totals = read_totals(folder)
    lines = read_decisions(folder / "decisions.jsonl")
    whole = [line for line in lines if "trial" not in line]
    stops = {line["trial"]: line["epoch"] for line in lines if line.get("decision") == "stop"}
    if not totals and not (folder / "trials.jsonl").exists():
        raise RunError(f"not begun: {folder}: the command that made it was cut off. Run the same command again.")
    if not totals:
        raise RunError(f"damaged run: {folder}/totals.jsonl: no line in it. Restore the file from a copy.")
    plan = checked(folder / "trials.jsonl", PLANNED)
    asked = totals[-1].epochs, identity.objective
    trials = [read_trial(folder, record, *asked, stops.get(record["index"])) for record in plan]
    trials = left_behind(trials, whole)
    decisions = [decision for line in lines for decision in taken_apart(line, trials)]
    return Run(folder, identity, totals[-1], trials, decisions, checked(folder / "tests.jsonl", TEST), totals, whole)


def read_decisions(path: Path) -> list[Record]:
    """The lines of decisions.jsonl: each is about one trial or about a whole rung.

    Raises:
        RunError: a line lacks what one of these has, or holds something else there.
    """
    lines = read_lines(path)
    for number, line in enumerate(lines, 1):
        is_of_a_trial = "trial" in line
        check(line, DECISION if is_of_a_trial else CUT, path, number)
        for key in () if is_of_a_trial else LISTS:
            if not are_indices(line.get(key, [])):
                raise damaged(path, number, f"{key} is {line[key]!r}")
    return lines


def are_indices(found: Any) -> bool:
    return isinstance(found, list) and all(type(each) is int and each >= 0 for each in found)


def left_behind(trials: list[Trial], lines: Sequence[Record]) -> list[Trial]:
    """The trials; each trial that a cut left behind and that has not ended otherwise is marked as stopped."""
    stopped, reach = cuts.left_behind(lines)
    return [
        replace(trial, stopped_at=len(trial.epochs))
        if trial.index in stopped and len(trial.epochs) >= reach.get(trial.index, 0) and is_open(trial)
        else trial
        for trial in trials
    ]


def labelled(index: int, identifier: str) -> str:
    return f"{index:04d}-{identifier}"


def is_open(trial: Trial) -> bool:
    """Whether a trial has no outcome, or finished when fewer epochs were asked for."""
    return trial.outcome is None or trial.was_lengthened


def taken_apart(line: Record, trials: Sequence[Trial]) -> Iterator[Record]:
    """The decisions of a line of decisions.jsonl, one for each trial; a thaw makes no new decision at its rung."""
    if "trial" in line:
        yield line
        return
    for key, word in (("goes_on", "continue"), ("stops", "stop"), ("audit", "continue")):
        for index in line.get(key, ()):
            values = trials[index].values[: line["epoch"]] if index < len(trials) else []
            told = {"trial": index, "epoch": line["epoch"], "decision": word, "cutoff": line.get("cutoff")}
            value = trials[index].objective.best(values) if values else None
            yield {
                "sequence": line.get("sequence"),
                **told,
                "value": value,
                **({"audit": True} if key == "audit" else {}),
            }


def has_begun(folder: Path) -> bool:
    """Whether a search has begun there: its identity is written, and its totals or its plan. A kill may have come between."""
    return (folder / "run.json").exists() and any((folder / f"{name}.jsonl").exists() for name in ("totals", "trials"))


def read_identity(folder: Path) -> Identity:
    """The identity in run.json, which must be of a known format, with the changes that were allowed since.

    Raises:
        RunError: the folder is no run, was written by a newer version, or run.json is damaged.
    """
    if not (folder / "run.json").exists():
        raise RunError(f"no run: {folder}: run.json is missing. See the names under {folder.parent}.")
    record = effective_identity(folder)
    if record.get("schema") not in SCHEMAS:
        raise RunError(
            f"unknown format: {folder}/run.json: schema {record.get('schema')!r}, not {SCHEMA}. Update this program."
        )
    return Identity.read(record, f"{folder}/run.json")


def checked(path: Path, shape: Shape, unsaid: Record | None = None) -> list[Record]:
    """The records of a ledger, each with at least the keys of `shape`; `unsaid` has the values of keys that may be missing.

    Raises:
        RunError: a record lacks a key, or holds a value of another type there.
    """
    records = [{**(unsaid or {}), **record} for record in read_lines(path)]
    for number, record in enumerate(records, 1):
        check(record, shape, path, number)
    return records


def check(record: Record, shape: Shape, path: Path, number: int) -> None:
    """Raises RunError if a record lacks a key of `shape`, holds another type there, or has an id that is not alphanumeric."""
    for key, types in shape.items():
        if not isinstance(record.get(key), types) or (key == "id" and not record[key].isalnum()):
            raise damaged(path, number, f"{key} is {record.get(key)!r}")


def read_totals(folder: Path) -> list[Totals]:
    """Every line of totals.jsonl; a total that an older line lacks has its default."""
    path = folder / "totals.jsonl"
    records = checked(path, Totals.shape(), UNSAID)
    for number, record in enumerate(records, 1):
        if not is_until(until := record.get("until", {})):
            raise damaged(path, number, f"until is {until!r}")
    return [Totals.read(record, str(path)) for record in records]


def damaged(path: Path, number: int, what: str) -> RunError:
    return RunError(f"damaged record: {path}:{number}: {what}. Restore the file from a copy.")


def effective_identity(folder: Path) -> Record:
    """The record in run.json with the changes that were allowed since."""
    identity, path = read_json(folder / "run.json"), folder / "totals.jsonl"
    for number, line in enumerate(read_lines(path), 1):
        changed = line.get("identity", {})
        if not isinstance(changed, dict):
            raise damaged(path, number, f"identity is {changed!r}")
        identity |= changed
    return identity


def reread(run: Run, index: int) -> Trial:
    """One trial, read again from its folder and the decisions."""
    path = run.folder / "decisions.jsonl"
    decision = read_last_with(path, "trial", index)  # after a stop nothing is decided
    stopped_at = decision["epoch"] if decision and decision["decision"] == "stop" else None
    if index >= len(run.trials):  # planned since
        return read_trial(run.folder, planned(run.folder, index), run.totals.epochs, run.identity.objective, stopped_at)
    known = run.trials[index]  # a line of the plan never changes
    epochs, outcome = read_epochs(known.folder / "epochs.jsonl", known.objective)
    found = replace(known, epochs=epochs, outcome=outcome, stopped_at=stopped_at)
    if run.totals.rungs is None:
        return found
    return left_behind([found], [line for line in read_decisions(path) if "trial" not in line])[0]


def planned(run: Path, index: int) -> Record:
    """One line of the plan, without parsing those before it."""
    with (run / "trials.jsonl").open("rb") as file:
        line = next(itertools.islice(file, index, None), b"")
    return parse(line, f"{run / 'trials.jsonl'}:{index + 1}")


def read_trial(
    run: Path, record: Record, epochs_asked: int, objective: Objective, stopped_at: int | None = None
) -> Trial:
    """The trial of one line of the plan, with what its trial folder holds."""
    folder = run.joinpath("trials", labelled(record["index"], record["id"]))
    epochs, outcome = read_epochs(folder / "epochs.jsonl", objective)
    config = {**record["config"], "epochs": epochs_asked}
    planned = {key: record[key] for key in ("index", "id", "seed", "source")}
    return Trial(
        **planned, config=config, folder=folder, epochs=epochs, outcome=outcome, stopped_at=stopped_at,
        objective=objective, fold=record.get("fold", 0), repeated=read_repeated(folder / REPEATED),
    )  # fmt: skip


def read_repeated(path: Path) -> list[Record]:
    """The epochs of a trial that came out differently when a user's code was run again.

    Raises:
        RunError: a line does not hold an epoch with two rows.
    """
    lines = read_lines(path)
    for number, line in enumerate(lines, 1):
        if (
            not all(isinstance(line.get(key), dict) for key in ("committed", "again"))
            or type(line.get("epoch")) is not int
        ):
            raise RunError(f"damaged run: {path}:{number}: no epoch with two rows. Restore the file from a copy.")
    return lines


def read_epochs(path: Path, objective: Objective) -> tuple[list[Record], Record | None]:
    """The rows of a trial's ledger, and its outcome if that is the last line.

    Rows may follow an outcome: a finished trial was lengthened, or a failed one tried again.

    Raises:
        RunError: epochs that do not count 1, 2, 3, ..., an unknown outcome, or a row without its value.
    """
    records = read_lines(path)
    if are_rows(records[:-1], objective) and records and records[-1].get("outcome") == "finished":
        return records[:-1], records[-1]  # as most are, and there may be half a million of them
    rows: list[Record] = []
    outcome: Record | None = None
    for number, record in enumerate(records, 1):
        if "outcome" in record:
            outcome = None if record["outcome"] == "retried" else record
            if record["outcome"] not in OUTCOMES:
                raise damaged(path, number, f"outcome is {record['outcome']!r}")
            continue
        if record.get("epoch") != len(rows) + 1:
            raise damaged(path, number, f"epoch {record.get('epoch')} is out of order")
        value = record.get(objective.column)
        if not objective.are_sound([value]):
            raise damaged(path, number, f"{objective.column} is {value!r}")
        rows.append(record)
        outcome = None
    return rows, outcome


def are_rows(records: list[Record], objective: Objective) -> bool:
    """Whether all records are sound rows, whose epochs count 1, 2, 3, ...; no record is an outcome."""
    try:
        epochs, values = (list(map(itemgetter(key), records)) for key in ("epoch", objective.column))
    except KeyError:
        return False
    return (
        epochs == list(range(1, len(records) + 1))
        and objective.are_sound(values)
        and not any(map(contains, records, itertools.repeat("outcome")))
    )
