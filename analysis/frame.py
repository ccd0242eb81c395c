"""Runs as a pandas frame: one row per trial, its settings and its metrics at its best epoch."""

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from search import ledger
from search.ledger import Run, Trial

Row = dict[Hashable, Any]  # as pandas has it

ORIGIN = ("run", "dataset", "fingerprint")  # title and fingerprint of the images
FACTS = ("index", "id", "status", "source", "seed", "epochs", "epochs_allowed", "best_epoch", "folder")
METRICS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")  # always columns, even before the first epoch
WHOLE = ("index", "seed", "epochs", "epochs_allowed")


def read(*folders: Path | str) -> pd.DataFrame:
    """The frame of one or several run folders, for notebooks: see load.

    Raises:
        RunError: a folder is no run, or is damaged.
    """
    return load([ledger.read(Path(folder)) for folder in folders])


def load(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per trial, run by run in the order of the plan.

    Columns: ORIGIN, FACTS, every hyperparameter but the number of epochs, and the metrics of the best epoch under their
    ledger names. `lr` is the hyperparameter, not the rate that the schedule had reached in that epoch.
    """
    rows = [row(run, trial) for run in runs for trial in planned(run)]
    others = dict.fromkeys(key for shape in dict.fromkeys(map(tuple, rows)) for key in shape)
    columns = list(dict.fromkeys([*ORIGIN, *FACTS, *config_keys(runs), *METRICS, *others]))
    frame = pd.DataFrame({key: [each.get(key) for each in rows] for key in columns}, dtype=object)
    whole, metrics = dict.fromkeys(WHOLE, "int64"), dict.fromkeys(columns[columns.index(METRICS[0]) :], "float64")
    return frame.astype(whole | metrics | {"best_epoch": "Int64"})


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """One dict per row, with Python's own types; pandas' own `to_dict` takes four times as long."""
    names = list(frame)
    columns = [frame[name].tolist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def row(run: Run, trial: Trial) -> dict[str, Any]:
    """What one trial is and what it reached."""
    best = trial.best or {}
    found = {**best, **trial.config}  # the rate of the schedule in an epoch is not the hyperparameter
    found |= {key: getattr(trial, key) for key in ("index", "id", "status", "source", "seed", "folder")}
    found |= {"epochs": len(trial.epochs), "epochs_allowed": trial.config["epochs"], "best_epoch": best.get("epoch")}
    found |= {"run": run.name, "dataset": run.identity["dataset_title"], "fingerprint": run.identity["fingerprint"]}
    found.pop("epoch", None)
    return found


def planned(run: Run) -> list[Trial]:
    """The trials in the order of the plan."""
    return sorted(run.trials, key=lambda trial: trial.index)


def config_keys(runs: Iterable[Run]) -> list[str]:
    """The hyperparameters of all trials, without the number of epochs, in the order in which they are first used."""
    shapes = dict.fromkeys(tuple(trial.config) for run in runs for trial in planned(run))  # a few for all trials
    keys = dict.fromkeys(key for shape in shapes for key in shape)
    return [key for key in keys if key != "epochs"]


def varied(frame: pd.DataFrame, runs: Sequence[Run]) -> list[str]:
    """The hyperparameters that differ between trials or that a space searches: what a table has to show."""
    searched = {key for run in runs for key in run.identity["space_params"]}
    return [key for key in config_keys(runs) if key in searched or len(set(frame[key])) > 1]
