"""Check the folder of one trial against the plan: the ledger, the resume states, the weights and the predictions."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from analysis.frame import predictions
from analysis.verify.evidence import NUMBER, TEXT, WHOLE, Evidence, Line
from search.records import Shape
from search.run import confirmation
from search.run.ledger import OUTCOMES, REPEATED, labelled
from trainables.config import trial_id
from trainables.files.durable import Record, states
from trainables.objective import ACCURACY, Objective
from trainables.trial import timing

METRICS: Shape = {
    "train_loss": NUMBER,
    "train_accuracy": NUMBER,
    "val_loss": NUMBER,
    "val_accuracy": NUMBER,
    "lr": NUMBER,
}
ROW: Shape = {"epoch": WHOLE, **METRICS}
STATE: Shape = {"sha256": TEXT, "epoch": WHOLE, "trial": TEXT}
TWICE: Shape = {"epoch": WHOLE, "committed": (dict,), "again": (dict,)}  # an epoch that came out differently
WEIGHTS: Shape = {"sha256": TEXT, "epoch": WHOLE}  # and the value under the name of the objective's column


@dataclass
class TrialFiles:
    """The contents of the folder of one planned trial."""

    id: str
    id_now: str  # the id of the same configuration in the current schema, which newly written states have
    folder: Path
    is_confirmation: bool = False
    rows: list[Line] = field(default_factory=list)  # epochs 1, 2, 3 ...
    outcomes: list[tuple[int, str]] = field(default_factory=list)  # number of rows before each outcome, and the outcome
    is_over: bool = False  # the last line is an outcome
    weights: tuple[int, str] | None = None  # epoch and sha256 of the kept weights
    objective: Objective = ACCURACY

    def value(self, epoch: int) -> float:
        value: float = self.rows[epoch - 1].record[self.objective.column]
        return value

    def best(self, epochs: int) -> Record | None:
        """The best of the first `epochs` rows; None if there is none."""
        return self.objective.best_epoch(line.record for line in self.rows[:epochs])

    def best_value(self) -> float | None:
        best = self.best(len(self.rows))
        return None if best is None else best[self.objective.column]

    @property
    def is_own(self) -> bool:
        """Whether the user's own code trained the trial."""
        return self.objective.is_own

    @property
    def shape(self) -> Shape:
        """The entries that each row of the ledger must have."""
        return {"epoch": WHOLE, self.objective.column: NUMBER} | ({} if self.is_own else ROW)

    @property
    def is_finished(self) -> bool:
        return self.is_over and self.outcomes[-1][1] == "finished"

    def bests_ever(self) -> list[Record]:
        """The best row at each time at which the trial finished."""
        counts = sorted({count for count, outcome in self.outcomes if outcome == "finished"})
        return [best for best in map(self.best, counts) if best]

    def bests(self) -> list[Record]:
        """The rows to which the kept weights may belong.

        Weights are written just before an outcome, and again after a longer training. So while the trial is not finished, the
        weights may also belong to an earlier end.
        """
        counts = {count for count, outcome in self.outcomes if outcome == "finished"} | {len(self.rows)}
        if self.is_finished:
            counts = {len(self.rows)}
        return [best for best in map(self.best, sorted(counts)) if best]


def folder_of(evidence: Evidence, planned: Record) -> Path:
    """The folder of the trial of a line of the plan."""
    return evidence.run / "trials" / labelled(planned["index"], planned["id"])


def read_trial(
    evidence: Evidence, planned: Line, asked: Sequence[int], images: int, is_held: bool, objective: Objective
) -> TrialFiles:
    """Read and check the folder of one trial.

    Args:
        planned: the trial's line of the plan.
        asked: the number of epochs in each line of totals.jsonl.
        images: the number of images on which the trial is validated; 0 if unknown.
        is_held: whether a process holds the run and may be writing states and weights, which are then not checked.
        objective: the objective of the run.
    """
    record = planned.record
    folder = folder_of(evidence, record)
    id_now = trial_id(record["config"], record["seed"])
    is_confirmation = record["source"] == confirmation.SOURCE
    trial = TrialFiles(record["id"], id_now, folder, is_confirmation, objective=objective)
    read_ledger(evidence, trial, asked)
    evidence.lines(folder / REPEATED, TWICE)
    for line in trial.rows:
        if trial.is_own:
            check_own_row(evidence, line, images)
        else:
            check_row(evidence, line, images, trial.objective)
    if not is_held:
        check_states(evidence, trial)
    if not is_held and not trial.is_own:
        check_weights(evidence, trial)
        check_predictions(evidence, trial, images)
    return trial


def read_ledger(evidence: Evidence, trial: TrialFiles, asked: Sequence[int]) -> None:
    """Read epochs.jsonl into `trial`, and check that epochs count from 1 and that each outcome is at an allowed place."""
    for line in evidence.lines(trial.folder / "epochs.jsonl", {}):
        before = trial.outcomes[-1] if trial.is_over else None
        if before and not may_go_on(before, asked):
            evidence.wrong(line.where, f"a line after the trial {before[1]}")
        if "outcome" in line.record:
            read_outcome(evidence, trial, line, asked)
        elif evidence.has_shape(line.where, line.record, trial.shape):
            trial.is_over = False
            read_row(evidence, trial, line)
    if trial.rows and len(trial.rows) > max(asked, default=0):
        evidence.wrong(trial.rows[-1].where, f"{len(trial.rows)} epochs where {max(asked, default=0)} were asked for")


def may_go_on(outcome: tuple[int, str], asked: Sequence[int]) -> bool:
    """Whether lines may follow an outcome: a finished trial may train longer, and a failed trial may be tried again."""
    epochs, what = outcome
    return what == "failed" or (what == "finished" and epochs < max(asked, default=0))


def read_outcome(evidence: Evidence, trial: TrialFiles, line: Line, asked: Sequence[int]) -> None:
    what, epochs = line.record["outcome"], len(trial.rows)
    if what not in OUTCOMES:
        evidence.wrong(line.where, f"outcome is {what!r}, none of {', '.join(OUTCOMES)}")
        return
    if what == "finished" and epochs not in asked:
        evidence.wrong(line.where, f"finished after {epochs} epochs, which were never asked for")
    if (epochs, "finished") in trial.outcomes and what == "finished":
        evidence.wrong(line.where, "finished twice")
    if what == "retried" and not (trial.is_over and trial.outcomes[-1][1] == "failed"):
        evidence.wrong(line.where, "retried, but it had not failed")
    if what == "diverged" and line.record.get("epoch") not in range(1, epochs + 2):
        evidence.wrong(line.where, f"diverged in epoch {line.record.get('epoch')}, with {epochs} epochs before it")
    trial.outcomes.append((epochs, what))
    trial.is_over = what != "retried"


def read_row(evidence: Evidence, trial: TrialFiles, line: Line) -> None:
    expected = len(trial.rows) + 1
    if line.record["epoch"] != expected:
        evidence.wrong(line.where, f"epoch {line.record['epoch']} where {expected} comes next")
    trial.rows.append(Line(line.where, line.record | {"epoch": expected}))


def check_row(evidence: Evidence, line: Line, images: int, objective: Objective) -> None:
    """Check a row of our training loop: it has only known entries, and the accuracies have possible values."""
    for key in line.record.keys() - ROW.keys() - {objective.column}:
        evidence.wrong(line.where, f"{key} does not belong into a ledger")
    for key in ("train_accuracy", "val_accuracy"):
        if not 0 <= line.record[key] <= 1:
            evidence.wrong(line.where, f"{key} is {line.record[key]}, not from 0 to 1")
    hits = min(line.record["val_accuracy"], 1) * images  # a value above 1 was reported already and may be no fraction
    if abs(hits - round(hits)) > 1e-6 * max(images, 1):
        evidence.wrong(line.where, f"val_accuracy {line.record['val_accuracy']} is not a fraction of {images} images")


def check_own_row(evidence: Evidence, line: Line, images: int) -> None:
    """Check a row of the user's own training: every entry is a number."""
    for key, value in line.record.items():
        if type(value) not in (int, float):
            evidence.wrong(line.where, f"{key} is {value!r}, not a number")


def check_states(evidence: Evidence, trial: TrialFiles) -> None:
    """Check that each resume state with a sidecar is whole and belongs to this trial; a state without one does not count.

    Of a killed trial the state may be one epoch ahead: that of the last epoch is saved before its row.
    """
    ahead = 0 if trial.is_finished else 1
    for sidecar in sorted(trial.folder.glob("state-*.json")):
        where, facts = f"{evidence.relative(sidecar)}:1", evidence.object(sidecar, STATE)
        if facts is None:
            continue
        check_hash(evidence, sidecar.with_suffix(".pt"), facts["sha256"])
        if facts["trial"] not in (trial.id, trial.id_now):
            evidence.wrong(where, f"of trial {facts['trial']}, not {trial.id}")
        if sidecar.name != f"state-{facts['epoch']:06d}.json" or not 1 <= facts["epoch"] <= len(trial.rows) + ahead:
            evidence.wrong(where, f"of epoch {facts['epoch']}, where the ledger has {len(trial.rows)} epochs")
    newest = states(trial.folder)[:1]
    if trial.is_finished and newest and not newest[0].with_suffix(".json").exists():
        evidence.wrong(evidence.relative(newest[0]), "no sidecar with its sha256, although the trial finished")


def check_hash(evidence: Evidence, path: Path, expected: str) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        evidence.wrong(evidence.relative(path), f"cannot be read: {error.strerror}")
        return
    if found != expected:
        evidence.wrong(evidence.relative(path), "its sha256 is not that of its sidecar")


def check_weights(evidence: Evidence, trial: TrialFiles) -> None:
    """Check that the weights in best.safetensors, if they have a sidecar, are whole and belong to the best epoch."""
    sidecar = trial.folder / "best.json"
    column = trial.objective.column
    facts = evidence.object(sidecar, {**WEIGHTS, column: NUMBER})
    if facts is None or is_being_replaced(trial):
        return
    check_hash(evidence, trial.folder / "best.safetensors", facts["sha256"])
    epochs = [best["epoch"] for best in trial.bests()]
    if facts["epoch"] not in epochs:
        evidence.wrong(f"{evidence.relative(sidecar)}:1", f"of epoch {facts['epoch']}, but the best is {epochs}")
    elif facts[column] != trial.value(facts["epoch"]):
        evidence.wrong(f"{evidence.relative(sidecar)}:1", f"{column} {facts[column]} is not the ledger's")
    trial.weights = (facts["epoch"], facts["sha256"])


def is_being_replaced(trial: TrialFiles) -> bool:
    """Whether the weights may be newer than their sidecar: a kill after a longer training may happen between the two files."""
    return not trial.is_over and any(count < len(trial.rows) for count, _ in trial.outcomes)


def check_predictions(evidence: Evidence, trial: TrialFiles, images: int) -> None:
    """Check the predictions in val.npz: a finished trial has the file, it belongs to the best epoch, and its accuracy fits.

    The accuracy must be that of the epoch's row in the ledger. The exception is an epoch that was trained again on a GPU and is
    recorded to have come out differently; its row stays as it was.
    """
    path = trial.folder / "val.npz"
    where = evidence.relative(path)
    if not path.exists():
        if trial.is_finished:
            evidence.wrong(where, "missing, although the trial finished")
        return
    try:
        correct, predicted, epoch, labels = predictions.read(trial.folder)
    except ValueError as error:
        evidence.wrong(where, f"cannot be read: {error}")
        return
    best = {row["epoch"]: row["val_accuracy"] for row in trial.bests()}
    if correct.dtype != np.bool_ or not correct.shape == predicted.shape == (images,):
        evidence.wrong(where, f"not a true or false and a class for each of {images} images")
    elif epoch not in best:
        evidence.wrong(where, f"of epoch {epoch}, but the best is {sorted(best)}")
    elif abs(float(correct.mean()) - best[epoch]) > 1e-9 and epoch not in timing.repeated(trial.folder):
        evidence.wrong(where, f"{correct.mean()} of them are right, but val_accuracy is {best[epoch]}")
    elif (
        epoch not in timing.repeated(trial.folder)
        and labels is not None
        and not (labels.shape == (images,) and ((labels == predicted) == correct).all())
    ):
        evidence.wrong(where, "its labels say that other images are right")
