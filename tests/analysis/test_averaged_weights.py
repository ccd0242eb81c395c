"""A run with averaged weights (ema) on every path on which weights leave it: pytest tests/analysis/test_averaged_weights.py"""

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

import run_search
from analysis.__main__ import app
from analysis.export import ensemble, retrain
from analysis.mirrors import refreshing
from analysis.render.markdown import rendered
from analysis.results.sections import answer
from search.run import ledger
from tests.analysis.mirrors.readers import READERS
from trainables.cli.execution import execute
from trainables.data import loading
from trainables.models.networks import build
from trainables.training.definition import Training
from trainables.training.loop import predict, train, validated
from trainables.trial import checkpointing as trials

pytestmark = pytest.mark.usefixtures("one_thread", "untried")
Weights = dict[str, torch.Tensor]


@pytest.fixture
def run(averaged_run: Path, monkeypatch: pytest.MonkeyPatch) -> ledger.Run:
    monkeypatch.chdir(averaged_run.parent.parent)
    return ledger.read(averaged_run)


def right(trial: ledger.Trial, weights: Weights, images: loading.Dataset) -> float:
    """Accuracy on the validation images, as the trial computes it."""
    model = build(trial.config, len(images.classes))
    model.load_state_dict(weights)
    answers = predict(model, images.val.images, images, "cpu", "fp32").argmax(1)
    return float((answers == images.val.labels).mean())


def test_the_weights_that_are_kept_are_the_average_that_was_validated(run: ledger.Run, digits: Path) -> None:
    images = loading.load(loading.prepare("digits", digits, progress=False))
    for trial in run.trials[:2]:
        assert trial.best is not None
        kept = safetensors.torch.load_file(trial.folder / "best.safetensors")
        assert right(trial, kept, images) == pytest.approx(trial.best["val_accuracy"])
        state = trials.load_state(trial.folder, trial.id, at_most=2)
        assert state is not None and trial.best["epoch"] == 2, "the average is behind after one epoch of a few steps"
        assert all(torch.equal(kept[name], value) for name, value in validated(state).items())
        assert not torch.equal(kept["1.weight"], state["model"]["1.weight"])


@pytest.mark.parametrize("identifier", ["/0", "/2"])
def test_it_is_reproduced_from_its_configuration(run: ledger.Run, digits: Path, identifier: str, capsys) -> None:
    name = f"{run.folder}{identifier}"
    assert execute(run_search.app, "run_search.py", ["--reproduce", name, "--data-dir", str(digits), "--quiet"]) == 0
    assert ": identical" in capsys.readouterr().out


def test_an_ensemble_averages_what_was_kept(run: ledger.Run, digits: Path) -> None:
    cache = loading.prepare("digits", digits, progress=False)
    rows = json.loads(ensemble.score(run, 2, lambda _: cache, "json"))
    values = {trial.id: trial.best["val_accuracy"] for trial in run.trials if trial.best}
    assert {row["id"]: row["val_accuracy"] for row in rows[1:]} == pytest.approx(
        {name: values[name] for name in rows[0]["members"]}
    )


def test_an_export_has_them_and_its_card_says_so(run: ledger.Run, digits: Path, tmp_path: Path) -> None:
    words = ["export", f"{run.folder}/0", str(tmp_path / "net"), "--data-dir", str(digits)]
    assert execute(app, "python -m analysis", words) == 0
    kept = (run.trials[0].folder / "best.safetensors").read_bytes()
    assert (tmp_path / "net/model.safetensors").read_bytes() == kept
    assert "(the weights are an average over about 1 of them)" in (tmp_path / "net/README.md").read_text()


def test_trained_again_on_all_images_the_average_is_exported(run: ledger.Run, digits: Path, tmp_path: Path) -> None:
    words = ["export", f"{run.folder}/0", str(tmp_path / "net"), "--retrain", "--data-dir", str(digits)]
    assert execute(app, "python -m analysis", words) == 0
    images, trial = loading.load(loading.prepare("digits", digits, progress=False)), run.trials[0]
    training = Training(trial.config, retrain.joined(images), seed=trial.seed, device="cpu", precision="fp32")
    *_, last = train(training)
    exported = safetensors.torch.load_file(tmp_path / "net/model.safetensors")
    assert last.average is not None
    assert all(torch.equal(exported[name], value) for name, value in last.average.state_dict().items())


@pytest.mark.parametrize("tool", ["tensorboard", "optuna", pytest.param("mlflow", marks=pytest.mark.slow)])
def test_a_mirror_shows_the_value_of_the_average(run: ledger.Run, digits: Path, tmp_path, tool, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "averaged")
    shutil.copytree(run.folder, tmp_path / run.name)
    refreshing.mirror(tmp_path / run.name, [tool])
    shown = READERS[tool].read(tmp_path / run.name).best["val_accuracy"]
    images = loading.load(loading.prepare("digits", digits, progress=False))
    kept = [safetensors.torch.load_file(trial.folder / "best.safetensors") for trial in run.trials[:2]]
    values = [right(trial, weights, images) for trial, weights in zip(run.trials, kept, strict=False)]
    assert shown == pytest.approx(values[0] if tool == "tensorboard" else max(values))  # of the first trial, of the run


def test_the_protocol_says_which_weights_were_validated(run: ledger.Run) -> None:
    assert "the accuracy, with weights averaged over about 1 epoch (ema), on" in rendered(answer.protocol(run))
