"""Write files for `dvc metrics show`, `dvc metrics diff` and `dvc plots show`; dvc.yaml names these files.

Writing the files needs no DVC.
"""

import csv
import io
import json

from analysis.frame.dataframe import METRICS, keys_of
from analysis.ranking.test_scores import evaluation
from search.run.confirmation import winner
from search.run.ledger import Run, Trial
from trainables.files import durable

FOLDER = "dvc"
CURVE = ("epoch", *METRICS, "lr")
TRIALS = ("trial", "id", "status", "epochs")  # followed by the column of the objective


def refresh(run: Run, before: Run | None = None) -> None:
    """Write metrics.json, curve.csv (of the leading trial) and trials.csv. The same ledger gives the same bytes."""
    folder = run.folder / FOLDER
    durable.make_folder(folder)
    leader = winner(run)
    durable.write(folder / "metrics.json", (json.dumps(metrics(run), indent=2) + "\n").encode())
    with_images = tuple(dict.fromkeys([*CURVE, run.identity.objective.column]))
    names = with_images if run.identity.has_images else tuple(keys_of(leader.epochs if leader else []))
    rows = [[row.get(key) for key in names] for row in leader.epochs] if leader else []
    durable.write(folder / "curve.csv", table(names, rows))
    durable.write(folder / "trials.csv", table((*TRIALS, run.identity.objective.column), trials(run)))


def metrics(run: Run) -> dict[str, object]:
    """The content of metrics.json: numbers only, nested as DVC prints them."""
    leader = winner(run)
    statuses = [trial.status for trial in run.trials]
    found: dict[str, object] = {
        "trials": {status: statuses.count(status) for status in sorted(set(statuses))},
        "epochs_trained": sum(len(trial.epochs) for trial in run.trials),
    }
    if leader and leader.best:
        keys = dict.fromkeys([run.identity.objective.column, "val_accuracy", "val_loss", "train_loss", "epoch"])
        found["best"] = {key: leader.best[key] for key in keys if key in leader.best} | tested(run, leader)
    return found


def tested(run: Run, leader: Trial) -> dict[str, float]:
    """The accuracy on the test split, if the leader was scored there."""
    scores = evaluation(run, leader.index, leader.best["epoch"]) if leader.best else None
    return {"test_accuracy": scores["accuracy"]} if scores else {}


def trials(run: Run) -> list[list[object]]:
    """One row per trial, in plan order."""
    return [[trial.index, trial.id, trial.status, len(trial.epochs), trial.value] for trial in run.trials]


def table(header: tuple[str, ...], rows: list[list[object]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue().encode()
