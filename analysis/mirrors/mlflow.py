"""Mirror a search as MLflow runs: one parent run for the search, and one child run for each trial that has begun.

The MLflow runs go to MLFLOW_TRACKING_URI, or else to runs/NAME/mlflow.db, which
`mlflow ui --backend-store-uri sqlite:///runs/NAME/mlflow.db` shows. The experiment has the name MLFLOW_EXPERIMENT_NAME, or else
the name of the search's run folder. Tags link each MLflow run to its trial, so no MLflow run is created twice. Metrics that an
MLflow run already has are not logged again.
"""

import itertools
import logging
import os
from collections.abc import Iterator
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from analysis.mirrors.notifications import value
from analysis.mirrors.refreshing import changed, database
from analysis.mirrors.timing import started, timed_rows, timings
from search.run.confirmation import is_complete, winner
from search.run.ledger import Run, Trial
from trainables.files import durable

FILE = "mlflow.db"
SEARCH, TRIAL, PARENT, WINNER = "search.key", "search.trial", "mlflow.parentRunId", "search.winner"
STATUS = {"finished": "FINISHED", "stopped": "KILLED", "diverged": "FAILED", "failed": "FAILED"}
BEST, SPEED = "best_", "images_per_second"  # BEST is put before the name of the objective's column
MOST = 1000  # metrics in one call


def refresh(run: Run, before: Run | None = None) -> None:
    """Log the new epochs and outcomes of each trial, then the current result of the search."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or database(run.folder / FILE))
    experiment, key = open_experiment(client, run), key_of(run)
    there = known(client, experiment, key)
    parent = there.get("") or create(
        client, experiment, run.name, {SEARCH: key, TRIAL: "", "space": run.identity.space}
    )
    for trial in changed(run, before):
        if trial.epochs or trial.ended:
            tags = {SEARCH: key, TRIAL: trial.id, PARENT: parent.info.run_id, "source": trial.source}
            name = trial.label
            add(client, there.get(trial.id) or create(client, experiment, name, tags), trial, started(run))
    conclude(client, parent, run)


def open_experiment(client: MlflowClient, run: Run) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or run.name
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def key_of(run: Run) -> str:
    """A key that distinguishes this search from another search with the same name on the same server."""
    return f"{run.name}-{durable.sha256((run.folder / 'run.json').read_bytes())[:12]}"


def known(client: MlflowClient, experiment: str, key: str) -> dict[str, Any]:
    """The MLflow runs of this search by trial id; the parent run, which shows the search, has an empty id."""
    found: dict[str, Any] = {}
    token: str | None = None
    while token != "":
        page = client.search_runs([experiment], f"tags.`{SEARCH}` = '{key}'", max_results=1000, page_token=token)
        found |= {each.data.tags[TRIAL]: each for each in page}
        token = page.token or ""
    return found


def create(client: MlflowClient, experiment: str, name: str, tags: dict[str, str]) -> Any:
    return client.create_run(experiment, run_name=name, tags=tags)


def add(client: MlflowClient, there: Any, trial: Trial, start: int) -> None:
    """Update one trial's MLflow run from the trial's ledger."""
    number = there.info.run_id
    logged = max((metric.step for metric in client.get_metric_history(number, trial.objective.column)), default=0)
    if logged == 0:
        client.log_batch(number, params=params(trial))
    for some in batches(curves(trial, logged, start)):
        client.log_batch(number, metrics=some)
    if there.data.tags.get("status") != trial.status:
        client.log_batch(number, tags=[RunTag("status", trial.status)])
        if trial.ended:
            client.set_terminated(number, STATUS[trial.status])
        else:
            client.update_run(number, "RUNNING")


def batches(metrics: list[Metric]) -> Iterator[list[Metric]]:
    """At most MOST metrics at a time, those of an epoch together: an epoch counts as logged once any of its metrics is."""
    some: list[Metric] = []
    for _, of_epoch in itertools.groupby(metrics, lambda metric: metric.step):
        more = list(of_epoch)
        if some and len(some) + len(more) > MOST:
            yield some
            some = []
        some += more
    if some:
        yield some


def params(trial: Trial) -> list[Param]:
    """The configuration and the seed, without the number of epochs: it may grow, but MLflow's parameters cannot change."""
    facts = trial.configuration | {"seed": trial.seed}
    return [Param(key, str(value)) for key, value in facts.items()]


def curves(trial: Trial, logged: int, start: int) -> list[Metric]:
    """The metrics of the epochs after `logged`; the metrics of one epoch follow each other."""
    found, timing, seconds, objective = [], timings(trial), 0.0, trial.objective
    leading = objective.worst
    for row in timed_rows(trial, timing):
        clock = timing.get(row["epoch"], {})
        seconds += clock.get("seconds", 0.0)
        leading = objective.best([leading, row[objective.column]])
        values = {key: row[key] for key in row if key != "epoch"} | {BEST + objective.column: leading}
        values |= {SPEED: clock[SPEED]} if SPEED in clock else {}
        if row["epoch"] > logged:
            milliseconds = round(1000 * (start + seconds))
            found += [Metric(key, at, milliseconds, row["epoch"]) for key, at in values.items()]
    return found


def conclude(client: MlflowClient, parent: Any, run: Run) -> None:
    """Log the best configuration so far, its value, and the status of the search to the parent run."""
    number, leader, key = parent.info.run_id, winner(run), BEST + run.identity.objective.column
    if leader and parent.data.metrics.get(key) != value(run):
        client.log_metric(number, key, value(run), step=sum(trial.ended for trial in run.trials))
    if leader and parent.data.tags.get(WINNER) != leader.id:
        client.set_tag(number, WINNER, leader.id)
    status = "FINISHED" if is_complete(run) else "RUNNING"
    if parent.info.status != status:
        client.update_run(number, status)
