"""The run folder, read back: identity, totals, plan, epochs, decisions, tests. The folder is the truth.

Layout in docs/architecture.md. Loads neither Ray nor torch, so that analysis can read a run anywhere.
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trainables.durable import Record, parse, read_json, read_lines
from trainables.errors import RunError

SCHEMA = 1  # version of the run folder's format
Status = Literal["planned", "running", "waiting", "finished", "stopped", "diverged", "failed"]


@dataclass(frozen=True)
class Trial:
    """One planned configuration and what its folder holds so far."""

    index: int
    id: str
    config: dict[str, Any]  # complete, with the number of epochs asked for now
    seed: int
    source: str  # where the configuration came from: baseline, grid, random
    folder: Path
    epochs: list[Record] = field(default_factory=list)  # committed rows, epoch 1 first
    outcome: Record | None = None  # the last line, if it is one: {"outcome": finished | diverged | failed, ...}
    stopped_at: int | None = None  # epoch of the early-stopping decision that ended it

    @property
    def status(self) -> Status:
        if self.stopped_at is not None:
            return "stopped"
        if self.outcome is not None and not self._was_lengthened:
            status: Status = self.outcome["outcome"]
            return status
        return "running" if self.epochs else "planned"

    @property
    def _was_lengthened(self) -> bool:
        """It finished when fewer epochs were asked for."""
        return self.outcome == {"outcome": "finished"} and len(self.epochs) < self.config["epochs"]

    @property
    def ended(self) -> bool:
        return self.status in ("finished", "stopped", "diverged", "failed")

    @property
    def best(self) -> Record | None:
        """The row of the best validation accuracy, the earliest on ties: a trial's value everywhere."""
        return max(self.epochs, key=lambda row: (row["val_accuracy"], -row["epoch"]), default=None)


@dataclass(frozen=True)
class Run:
    """A whole run folder."""

    folder: Path
    identity: Record  # run.json
    totals: Record  # the last line of totals.jsonl: what is asked for now
    trials: list[Trial]
    decisions: list[Record]
    tests: list[Record]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def complete(self) -> bool:
        return len(self.trials) >= self.totals["trials"] and all(trial.ended for trial in self.trials)


def read(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        RunError: the folder is no run, was written by a newer version, or a file in it is damaged (named by file and line).
    """
    if not (folder / "run.json").exists():
        raise RunError(f"no run: {folder}: run.json is missing. See the names under {folder.parent}.")
    identity = read_json(folder / "run.json")
    if identity.get("schema") != SCHEMA:
        raise RunError(
            f"unknown format: {folder}/run.json: schema {identity.get('schema')!r}, not {SCHEMA}. Update this program."
        )
    totals = read_lines(folder / "totals.jsonl")
    decisions = read_lines(folder / "decisions.jsonl")
    stops = {record["trial"]: record["epoch"] for record in decisions if record["decision"] == "stop"}
    if not totals:
        raise RunError(f"damaged run: {folder}/totals.jsonl: no line in it. Restore the file from a copy.")
    plan = read_lines(folder / "trials.jsonl")
    trials = [read_trial(folder, record, totals[-1]["epochs"], stops.get(record["index"])) for record in plan]
    return Run(folder, identity, totals[-1], trials, decisions, read_lines(folder / "tests.jsonl"))


def reread(run: Run, index: int) -> Trial:
    """One trial as its folder and the decisions are now."""
    decisions = read_lines(run.folder / "decisions.jsonl")
    stops = [line["epoch"] for line in decisions if line["trial"] == index and line["decision"] == "stop"]
    return read_trial(run.folder, planned(run.folder, index), run.totals["epochs"], stops[0] if stops else None)


def planned(run: Path, index: int) -> Record:
    """One line of the plan, without parsing those before it."""
    with (run / "trials.jsonl").open("rb") as file:
        line = next(itertools.islice(file, index, None), b"")
    return parse(line, f"{run / 'trials.jsonl'}:{index + 1}")


def read_trial(run: Path, record: Record, epochs_asked: int, stopped_at: int | None = None) -> Trial:
    """One line of the plan together with its trial folder."""
    folder = run / "trials" / f"{record['index']:04d}-{record['id']}"
    epochs, outcome = read_epochs(folder / "epochs.jsonl")
    config = {**record["config"], "epochs": epochs_asked}
    planned = {key: record[key] for key in ("index", "id", "seed", "source")}
    return Trial(**planned, config=config, folder=folder, epochs=epochs, outcome=outcome, stopped_at=stopped_at)


def read_epochs(path: Path) -> tuple[list[Record], Record | None]:
    """The rows of a trial's ledger, and its outcome if that is the last line.

    Rows may follow an outcome: a finished trial was lengthened, or a failed one tried again.

    Raises:
        RunError: epochs that do not count 1, 2, 3, ...
    """
    rows: list[Record] = []
    outcome: Record | None = None
    for number, record in enumerate(read_lines(path), 1):
        if "outcome" in record:
            outcome = None if record["outcome"] == "retried" else record
            continue
        if record.get("epoch") != len(rows) + 1:
            raise RunError(
                f"damaged ledger: {path}:{number}: epoch {record.get('epoch')} is out of order. Restore the file."
            )
        rows.append(record)
        outcome = None
    return rows, outcome
