"""Runs as a pandas frame: one row per trial, its settings and its metrics at its best epoch."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.frame import network_cost
from search.run import ledger
from search.run.ledger import Run, Trial
from trainables.objective import ACCURACY, Objective

Row = dict[Hashable, Any]  # as pandas has it
Columns = dict[str, list[Any]]

ORIGIN = ("run", "dataset", "fingerprint")  # title and fingerprint of the images; of own training its name and code
METRICS = (
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
)  # columns of networks, even before the first epoch
COSTS = ("parameters", "flops")  # of the network; flops for one image
WHOLE = ("index", "seed", "epochs", "epochs_allowed", *COSTS)


def read(*folders: Path | str) -> pd.DataFrame:
    """The frame of one or several run folders, for notebooks: see load.

    Raises:
        RunError: a folder is no run, or is damaged.
    """
    return load([ledger.read(Path(folder)) for folder in folders])


def load(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per trial, run by run in the order of the plan.

    Columns: ORIGIN, those of `facts`, COSTS, every hyperparameter but the number of epochs, and the metrics of the best epoch
    under their ledger names. `lr` is the hyperparameter, not the rate that the schedule had reached in that epoch.
    """
    found = [(run, trial) for run in runs for trial in planned(run)]
    trials = [trial for _, trial in found]
    columns = origin([run for run, _ in found]) | facts(trials) | costs(runs)
    bests = [trial.best or {} for trial in trials]
    settings = [key for key in config_keys(runs) if key not in columns]
    columns |= {key: [trial.config.get(key) for trial in trials] for key in settings}
    always = METRICS if any(run.identity.has_images for run in runs) or not runs else ()
    judged = dict.fromkeys(run.identity.objective.column for run in runs)
    named = dict.fromkeys([*always, *judged, *keys_of(bests)])
    measured = [key for key in named if key not in (*columns, "epoch")]
    columns |= {key: [best.get(key) for best in bests] for key in measured}
    known = [key for key in WHOLE if None not in columns[key]]  # own training has no network whose cost is known
    types = (
        dict.fromkeys(WHOLE, "Int64")
        | dict.fromkeys(known, "int64")
        | dict.fromkeys(measured, "float64")
        | {"best_epoch": "Int64"}
        | ({"fold": "Int64"} if "fold" in columns else {})
    )
    frame = pd.DataFrame(columns, dtype=object).astype(types)
    frame.attrs["objective"] = runs[0].identity.objective if runs else ACCURACY  # for a part of it without rows
    return frame


def origin(runs: Sequence[Run]) -> Columns:
    """The columns of ORIGIN for each trial, given its run."""
    titles = [(run.name, run.identity.subject, run.identity.comparable) for run in runs]
    return {name: [title[place] for title in titles] for place, name in enumerate(ORIGIN)}


def facts(trials: Sequence[Trial]) -> Columns:
    """The identity of each trial and how far its training came."""
    keys = ("index", "id", "status", "source", "seed", *(("fold",) if any(trial.fold for trial in trials) else ()))
    plain = {key: [getattr(trial, key) for trial in trials] for key in keys}
    return plain | {
        "epochs": [len(trial.epochs) for trial in trials],
        "epochs_allowed": [trial.config["epochs"] for trial in trials],
        "best_epoch": [trial.best["epoch"] if trial.best else None for trial in trials],
        "folder": [trial.folder for trial in trials],
        "objective": [trial.objective for trial in trials],  # what the row is ranked by
    }


def costs(runs: Sequence[Run]) -> Columns:
    """Parameters and flops of the network of each trial."""
    found = [pair for run in runs for pair in costs_of(run)]
    return {name: [pair[place] for pair in found] for place, name in enumerate(COSTS)}


def metric_columns(frame: pd.DataFrame, objective: Objective) -> list[str]:
    """The columns of a frame that are metrics, without the columns that a ranking adds."""
    columns = list(frame.columns)
    first = min(columns.index(name) for name in (METRICS[0], objective.column) if name in columns)
    end = columns.index("low") if "low" in columns else len(columns)
    return [name for name in columns[first:end] if frame[name].dtype == "float64"]


def costs_of(run: Run) -> Sequence[tuple[int | None, int | None]]:
    """Parameters and flops of the network of each trial; none of own training."""
    if not run.identity.has_images:
        return [(None, None)] * len(run.trials)
    return network_cost.of_trials(planned(run), len(run.identity.classes))


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """One dict per row, with Python's own types; pandas' own `to_dict` takes four times as long."""
    names = list(frame)
    columns = [frame[name].tolist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def planned(run: Run) -> list[Trial]:
    """The trials in the order of the plan."""
    return sorted(run.trials, key=lambda trial: trial.index)


def config_keys(runs: Iterable[Run]) -> list[str]:
    """The hyperparameters of all trials, without the number of epochs, in the order in which they are first used."""
    return [key for key in keys_of(trial.config for run in runs for trial in planned(run)) if key != "epochs"]


def keys_of(records: Iterable[Mapping[Any, Any]]) -> list[Any]:
    """All keys, in the order in which they are first used; most records have the same ones."""
    return list(dict.fromkeys(key for shape in dict.fromkeys(map(tuple, records)) for key in shape))


def varied(frame: pd.DataFrame, runs: Sequence[Run]) -> list[str]:
    """The hyperparameters that differ between trials or that a space searches: what a table has to show."""
    searched = {key for run in runs for key in run.identity.space_params}
    return [key for key in config_keys(runs) if key in searched or len(set(frame[key])) > 1]
