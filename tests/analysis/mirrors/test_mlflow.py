"""MLflow's runs, read back by MLflow's client."""

import pytest

from analysis.mirrors import refreshing

pytest.importorskip("mlflow", reason='needs pip install -e ".[mlflow]"')

from mlflow import MlflowClient

from analysis.mirrors import mlflow

pytestmark = [pytest.mark.integration, pytest.mark.slow]  # making its tables takes half a minute


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One database for all tests: MLFLOW_TRACKING_URI."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'shared.db'}"


@pytest.fixture
def convert(server, monkeypatch, request):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", request.node.name)

    def runs(growing):
        refreshing.mirror(growing.folder, ["mlflow"])
        client = MlflowClient(server)
        experiment = client.get_experiment_by_name(request.node.name).experiment_id
        return {each.info.run_name: each for each in client.search_runs([experiment])}

    return runs


def history(server, run, key="val_accuracy"):
    return [(metric.step, metric.value) for metric in MlflowClient(server).get_metric_history(run.info.run_id, key)]


@pytest.mark.parametrize("most", [2, 3, 4, 7])
def test_the_metrics_of_an_epoch_are_logged_together(monkeypatch, most):
    from mlflow.entities import Metric

    monkeypatch.setattr(mlflow, "MOST", most)
    metrics = [Metric(key, 0.5, 0, step) for step in (1, 2, 3) for key in ("loss", "accuracy")]
    found = list(mlflow.batches(metrics))
    assert [metric for some in found for metric in some] == metrics
    assert all(len(some) <= most for some in found)
    steps = [{metric.step for metric in some} for some in found]
    assert sum(map(len, steps)) == 3


def test_the_search_is_a_parent_and_each_trial_that_began_a_child(ended, convert, server):
    runs = convert(ended)
    parent = runs.pop("grown")
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    states = {name[:4]: (run.info.status, run.data.tags["status"]) for name, run in runs.items()}
    assert states == {
        "0000": ("FINISHED", "finished"),
        "0001": ("KILLED", "stopped"),
        "0002": ("FAILED", "diverged"),
        "0003": ("FAILED", "failed"),
        "0004": ("RUNNING", "running"),
    }
    assert parent.info.status == "RUNNING"
    assert parent.data.metrics["best_val_accuracy"] == 0.8
    first = runs[ended.trial(0).name]
    assert first.data.params["lr"] == "0.01"
    assert history(server, first) == [(1, 0.5), (2, 0.8), (3, 0.7), (4, 0.6)]
    assert history(server, first, "best_val_accuracy")[-1] == (4, 0.8)
    assert history(server, first, "images_per_second")[0] == (1, 100.0)


def test_a_longer_trial_adds_what_is_new(ended, convert, server):
    convert(ended)
    ended.row(4, 2, 0.9)
    ended.ask(epochs=2)
    ended.end(4, "finished")
    run = convert(ended)[ended.trial(4).name]
    assert history(server, run) == [(1, 0.4), (2, 0.9)]
    assert run.info.status == "FINISHED"


def test_without_a_server_it_is_a_database_in_the_run(growing, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    growing.row(0, 1, 0.5)
    refreshing.mirror(growing.folder, ["mlflow"])
    client = MlflowClient(f"sqlite:///{growing.folder / 'mlflow.db'}")
    assert client.get_experiment_by_name("grown") is not None
