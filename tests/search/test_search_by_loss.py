"""Whole searches whose objective is the validation loss: each rule without Ray, and one with it as people run it.

pytest tests/search/test_search_by_loss.py
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from analysis.ranking.standing import stand
from analysis.report import html_page
from analysis.results import printed
from analysis.results.files import write_results
from analysis.verify.run_folder import verify
from analysis.views import compare, selection, show
from analysis.views.selection import Selection
from search.run import ledger, opening
from search.run.confirmation import is_complete
from tests.search import without_ray
from trainables.files import durable
from trainables.objective import ACCURACY, LOSS
from trainables.training.definition import Training
from trainables.trial import checkpointing

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "scheduler", ["asha", "epochs:1", *(pytest.param(one, marks=pytest.mark.slow) for one in ("median", "sha"))]
)
def test_each_rule_goes_by_the_loss_and_verify_agrees(tmp_path, settings, toy, one_thread, scheduler):
    run = without_ray.search(tmp_path / "t", settings(scheduler=scheduler, objective=LOSS), toy)
    assert run.identity.objective == LOSS
    assert run.decisions
    for record in run.decisions:
        losses = [row["val_loss"] for row in run.trials[record["trial"]].epochs[: record["epoch"]]]
        assert record["value"] == (min(losses) if scheduler == "sha" else losses[-1])  # a cut goes by the best so far
        if record["cutoff"] is not None:
            assert (record["value"] > record["cutoff"]) == (record["decision"] == "stop")
    assert verify(run.folder) == []


def test_weights_are_those_of_the_epoch_with_the_least_loss(tmp_path, settings, toy, one_thread):
    """With a rate that is too high the loss is least early, whatever the accuracy does."""
    run = without_ray.search(tmp_path / "t", settings(objective=LOSS), toy)
    for each in run.trials:
        least = min(each.epochs, key=lambda row: row["val_loss"])
        facts = durable.read_json(each.folder / "best.json")
        assert (facts["epoch"], facts["val_loss"]) == (least["epoch"], least["val_loss"])
        assert "val_accuracy" not in facts
        assert int(np.load(each.folder / "val.npz")["epoch"]) == least["epoch"]
        assert safetensors.numpy.load(durable.read_checked(each.folder / "best.safetensors"))


def test_a_trial_that_is_cut_keeps_its_least_loss(tmp_path, small, toy, one_thread):
    training = Training(small | {"lr": 0.05}, toy, seed=0, device="cpu", precision="fp32", objective=LOSS)
    whole = list(checkpointing.run(tmp_path / "whole", training))
    for until in range(1, small["epochs"] + 1):  # each time from the state before
        rows = list(checkpointing.run(tmp_path / "cut", training, until=until))
        assert rows == whole[until - 1 : until]
    names = ("best.safetensors", "best.json", "val.npz")
    assert all((tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes() for name in names)


def test_a_run_by_loss_is_no_run_by_accuracy(tmp_path, settings, toy):
    from trainables.errors import RunError

    durable.make_folder(tmp_path / "t")
    opening.open_run(tmp_path / "t", settings(objective=LOSS), toy, on_gpu=False)
    with pytest.raises(RunError, match="not the same search") as caught:
        opening.open_run(tmp_path / "t", settings(objective=ACCURACY, allow_changes=True), toy, on_gpu=False)
    assert any(line.startswith("objective: ") for line in caught.value.details)


@pytest.mark.integration
@pytest.mark.slow
def test_a_search_with_ray_goes_by_the_loss_from_its_first_decision_to_its_last_word(tmp_path):
    """Stopping, confirmation, weights, ranking, mirrors, page, and the words of every command."""
    asked = (
        "--space", "lr_sweep", "--dataset", "digits", "--fraction", "0.3", "--set", "width=16", "--set", "depth=1",
        "--set", "lr=1e-1,1e-2,1e-3,1e-4", "--epochs", "4", "--scheduler", "sha", "--confirm", "1", "--confirm-seeds", "2",
        "--name", "t", "--log-to", "optuna", "--metric", "loss",
    )  # fmt: skip
    command = [sys.executable, str(ROOT / "run_search.py"), *asked]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    run = ledger.read(tmp_path / "runs" / "t")
    assert is_complete(run)
    assert run.identity.objective == LOSS

    finished = [each for each in run.search_trials if each.status == "finished"]
    best = min(finished, key=lambda each: min(each.values))
    fresh = [each for each in run.trials if each.source == "confirm"]
    assert any(each.config == best.config for each in fresh)
    assert {record["decision"] for record in run.decisions} == {"stop", "continue"}
    stopped = [record["value"] for record in run.decisions if record["decision"] == "stop"]
    assert min(stopped) >= max(record["cutoff"] for record in run.decisions if record["value"] == min(stopped))
    assert durable.read_json(best.folder / "best.json")["val_loss"] == min(best.values)
    assert verify(run.folder) == []

    assert "val_loss 0." in done.stderr or "val_loss 1." in done.stderr or "val_loss 2." in done.stderr
    text = (run.folder / "results.md").read_text()
    assert "validation loss**" in text
    seen = done.stdout + done.stderr + text + report_text(run)
    for command_text in (
        show.show(run, best, "md"), printed.show([run], "md"), compare.show([run], "md", Selection()),
        selection.listed([run], "md", Selection()),
    ):  # fmt: skip
        assert "loss" in command_text
        seen += command_text
    for word in ("val %", "Δ pp", "confirmed %", "validation accuracy", "val_accuracy", "highest", "McNemar", "Wilson"):
        assert word not in seen, word
    assert (run.folder / "optuna.db").exists()
    assert "objective" in json.loads((run.folder / "run.json").read_text())

    before = text
    write_results(run.folder)
    assert (run.folder / "results.md").read_text() == before
    again = subprocess.run(
        [sys.executable, ROOT / "run_search.py", *asked[:-2]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert again.returncode == 5
    assert "objective: " in again.stderr


def report_text(run):
    """The page without what nobody reads: its style, script and data."""
    page = html_page.page(run)
    assert stand(run).winner is not None
    return page.partition('<script type="application/json"')[0].partition("</style>")[2]
