"""What each mirror shows of a run, read back by its own tool, for the conformance suite.

A new mirror needs its Reader in READERS.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from analysis.mirrors.refreshing import database


class Seen(NamedTuple):
    """What a mirror shows."""

    whole: Any
    """All of it, but for ids and times that the tool makes itself: alike for alike runs."""
    states: dict[int, str]
    """Index of a trial: its state in the tool's words; a trial that is not shown is not there."""
    best: dict[str, float]
    """Name of the column of the objective: the best value."""
    winner: object
    """The id of the winner, or its value; none where a tool shows each trial by itself."""


class Reader(NamedTuple):
    """How a mirror is read, and what the six trials of `ended` are in its words."""

    read: Callable[[Path], Seen]
    states: tuple[str, ...]
    marks: tuple[pytest.MarkDecorator, ...] = ()


def read_tensorboard(folder: Path) -> Seen:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import api_pb2, metadata

    whole, states, best = {}, {}, {}
    for file in sorted(folder.glob("trials/*/*tfevents*")):
        whole[file.parent.name] = file.read_bytes()
        events = EventAccumulator(str(file.parent), size_guidance={"scalars": 0}).Reload()
        end = events.summary_metadata.get(metadata.SESSION_END_INFO_TAG)
        found = metadata.parse_session_end_info_plugin_data(end.plugin_data.content).status if end else None
        states[int(file.parent.name[:4])] = api_pb2.Status.Name(found) if found is not None else "open"
        for tag in (tag for tag in events.Tags()["scalars"] if tag.startswith("best/")):
            best.setdefault(tag.removeprefix("best/"), events.Scalars(tag)[-1].value)
    return Seen(whole, states, best, None)


def read_optuna(folder: Path) -> Seen:
    import optuna

    study = optuna.load_study(study_name=folder.name, storage=database(folder / "optuna.db"))
    whole = [
        (each.number, each.state, each.value, each.params, each.intermediate_values, each.user_attrs)
        for each in study.trials
    ]
    states = {trial.number: trial.state.name for trial in study.trials}
    best = {name: study.best_value for name in study.metric_names or [] if "COMPLETE" in states.values()}
    return Seen((whole, study.user_attrs), states, best, study.user_attrs.get("winner"))


def read_mlflow(folder: Path) -> Seen:
    import os

    from mlflow import MlflowClient

    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
    runs = {each.info.run_name: each for each in client.search_runs([experiment.experiment_id])} if experiment else {}
    whole = {
        name: (each.info.status, each.data.metrics, each.data.params, each.data.tags["search.trial"])
        for name, each in runs.items()
    }
    parent = runs.pop(folder.name)
    states = {int(name[:4]): each.info.status for name, each in runs.items()}
    best = {key.removeprefix("best_"): value for key, value in parent.data.metrics.items() if key.startswith("best_")}
    return Seen(whole, states, best, parent.data.tags.get("search.winner"))


def read_dvc(folder: Path) -> Seen:
    with (folder / "dvc" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = json.loads((folder / "dvc" / "metrics.json").read_text()).get("best", {})
    best = {key: found[key] for key in list(rows[0])[-1:] if key in found}
    whole = {path.name: path.read_bytes() for path in sorted((folder / "dvc").iterdir())}
    return Seen(whole, {int(row["trial"]): row["status"] for row in rows}, best, *best.values() or (None,))


READERS = {
    "tensorboard": Reader(
        read_tensorboard, ("STATUS_SUCCESS", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_FAILURE", "open")
    ),
    "optuna": Reader(read_optuna, ("COMPLETE", "PRUNED", "FAIL", "FAIL", "RUNNING", "WAITING")),
    "mlflow": Reader(
        read_mlflow,
        ("FINISHED", "KILLED", "FAILED", "FAILED", "RUNNING"),
        (pytest.mark.integration, pytest.mark.slow),  # making its tables takes half a minute
    ),
    "dvc": Reader(read_dvc, ("finished", "stopped", "diverged", "failed", "running", "planned")),
}
