"""Searches by a metric of the user's own: pytest tests/search/test_search_by_own_metric.py"""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import spaces
from analysis.export import ensemble
from analysis.frame import valued
from analysis.ranking import test_scores
from analysis.ranking.standing import stand
from analysis.results import page as results
from analysis.verify.run_folder import verify
from search.run import ledger, resume
from search.run.confirmation import is_complete
from spaces import Space, choice
from tests.search import without_ray
from trainables.cli import child
from trainables.errors import RunError
from trainables.objective import ACCURACY
from trainables.own import code
from trainables.trial.rows import not_exact

ROOT = Path(__file__).parents[2]
SPACE = Space(
    params={"model": "mlp", "depth": 1, "width": 8, "schedule": "constant", "lr": choice(0.3, 0.003), "batch_size": 20},
    baseline={"lr": 0.3}, epochs=3,
)  # fmt: skip
METRIC = '''
"""What a mistake costs: one of the first class counts twice."""


def cost(labels, predicted):
    return float(((labels != predicted) * (1 + (labels == 0))).mean())


cost.mode = "min"
'''


@pytest.fixture
def asked(tmp_path, monkeypatch, settings):
    """The settings of a search by the metric, as it stands in its file now."""
    monkeypatch.chdir(tmp_path)

    def found(text=METRIC):
        (tmp_path / "my_costs.py").write_text(text)
        given = spaces.find("lr_sweep", "my_costs.py:cost")
        return settings(space=SPACE, objective=given.objective, code=given.code)

    return found


@pytest.fixture
def searched(asked, toy, tmp_path):
    import torch

    torch.set_num_threads(1)
    return without_ray.search(tmp_path / "run", asked(), toy)


def test_lower_is_better_in_rows_weights_ranking_and_words(searched):
    assert is_complete(searched)
    where = stand(searched)
    assert list(valued.values(where.board)) == sorted(valued.values(where.board))
    for trial in searched.trials:
        kept = np.load(trial.folder / "val.npz")
        wrong = kept["labels"] != kept["predicted"]
        assert trial.value == min(row["val_cost"] for row in trial.epochs)
        assert trial.value == pytest.approx((wrong * (1 + (kept["labels"] == 0))).mean())
    text = results.render(searched)
    assert "its value is the cost on 40 validation images" in text
    assert "lower is better" in text
    assert "Intervals and tests would execute the user's metric many times" in text
    assert "--metric my_costs.py:cost" in text
    assert searched.identity.own_code in text


def test_its_code_is_in_the_run_and_verify_reads_it_without_executing_it(searched, tmp_path):
    place = searched.identity.code_of(searched.folder)
    assert [path.name for path in place.iterdir()] == ["my_costs.py"]
    assert searched.identity.entry == ""
    assert verify(searched.folder) == []
    trace = tmp_path / "executed"
    (place / "my_costs.py").write_text(f"open({str(trace)!r}, 'w')\n")
    assert any("its hash is" in str(problem) for problem in verify(searched.folder))
    assert not trace.exists()


def test_a_row_without_its_column_is_named(searched):
    path = searched.trials[0].folder / "epochs.jsonl"
    path.write_text(path.read_text().replace('"val_cost"', '"val_coast"'))
    assert any("val_cost" in str(problem) for problem in verify(searched.folder))


def test_rows_that_repeat_differently_are_kept_and_said(searched):
    trial = searched.trials[0]
    not_exact(trial.folder, trial.epochs[0], {**trial.epochs[0], "val_cost": 0.5})
    assert verify(searched.folder) == []
    assert "**exact: false.** 1 epoch came out differently" in results.render(ledger.read(searched.folder))


def test_an_ensemble_and_the_winner_on_test_are_measured_by_it_too(searched):
    labels, chances = np.array([0, 1, 2, 0]), np.eye(3)[[1, 1, 0, 0]]
    assert ensemble.value(searched.identity.objective, chances, labels) == 0.75
    assert test_scores.of_own_metric(searched.identity.objective, chances, labels) == {"own_metric": 0.75}
    assert test_scores.of_own_metric(ACCURACY, chances, labels) == {}


def test_an_edited_metric_is_another_search(searched, asked, toy):
    without_ray.search(searched.folder, asked(f"# a comment\n{METRIC}"), toy)
    with pytest.raises(RunError, match=r"- +return .*1 \+(.|\n)*\+ +return .*3 \*"):
        without_ray.search(searched.folder, asked(METRIC.replace("1 +", "3 *")), toy)


def test_runs_by_two_metrics_of_one_name_are_not_compared(searched, asked, toy, tmp_path):
    other = without_ray.search(tmp_path / "other", asked(METRIC.replace("1 +", "3 *")), toy)
    with pytest.raises(RunError, match="different metrics"):
        valued.shared([searched, other])
    assert valued.shared([searched, replace(searched, folder=tmp_path / "third")]) == searched.identity.objective


def test_a_run_is_resumed_by_the_metric_that_it_holds(searched, tmp_path):
    (tmp_path / "my_costs.py").unlink()
    known = resume.recorded(tmp_path, "run", {"dataset"})
    assert known["space"] == "made_up"
    found = spaces.find("lr_sweep", known["metric"])
    assert found.objective == searched.identity.objective
    assert found.code.hash == searched.identity.own_code


def test_a_metric_that_fails_in_training_fails_the_trial_and_not_the_search(asked, toy, tmp_path):
    broken = METRIC.replace("    return", "    open('no_such_file')\n    return")
    run = without_ray.search(tmp_path / "run", asked(broken), toy)
    assert [trial.status for trial in run.trials] == ["failed", "failed"]
    assert (
        "MetricError: metric my_costs.py:cost fails: FileNotFoundError"
        in (run.trials[0].folder / "error.txt").read_text()
    )


@pytest.mark.slow
@pytest.mark.integration
def test_a_whole_search_by_it_on_digits(tmp_path):
    """From an empty folder: searched with Ray, refused when edited, continued without the file (and without Ray), reproduced."""
    (tmp_path / "my_costs.py").write_text(METRIC)
    (tmp_path / "typo.py").write_text(METRIC.replace("return float", "return str"))

    def call(*words, program="run_search.py", expected=0):
        command = [sys.executable, str(ROOT / program), *words, "--quiet"]
        environment = {**os.environ, **child.environment()}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == expected, (done.stdout, done.stderr)
        return done.stdout + done.stderr

    search = [
        "--space",
        "lr_sweep",
        "--dataset",
        "digits",
        "--data-dir",
        str(tmp_path),
        "--set",
        "model=mlp",
        "--set",
        "width=8",
    ]
    search += ["--epochs", "2", "--num-samples", "2", "--algo", "random"]
    told = call(*search, "--metric", "typo.py:cost", expected=3)
    assert told.startswith("error[space]: typo.py:5: metric typo.py:cost gives a str, not a number. Return a float.")
    assert not (tmp_path / "runs").exists()
    search += ["--metric", "my_costs.py:cost"]
    call(*search)
    run = ledger.read(tmp_path / "runs" / "lr_sweep-digits")
    assert "| cost" in (run.folder / "results.md").read_text().partition("on the test split")[2]
    (tmp_path / "my_costs.py").write_text(METRIC.replace("1 +", "3 *"))
    assert "3 *" in call(*search, expected=5)
    (tmp_path / "my_costs.py").unlink()
    more = ("--resume", "lr_sweep-digits", "--num-samples", "3", "--data-dir", str(tmp_path))
    call(*more, program="tests/faults/alone.py")
    assert len(ledger.read(run.folder).trials) == 3
    again = call("--reproduce", "lr_sweep-digits", "--data-dir", str(tmp_path))
    assert ": identical (" in again
    shutil.rmtree(tmp_path / "runs" / "lr_sweep-digits" / code.FOLDER)
    assert "it is missing" in call("--reproduce", "lr_sweep-digits", "--data-dir", str(tmp_path), expected=5)
