"""The run folder, read back: pytest tests/search/run/test_ledger.py"""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.run import ledger, opening
from trainables.errors import RunError
from trainables.files import durable
from trainables.objective import ACCURACY


@pytest.fixture
def run(tmp_path, toy, settings):
    return opening.open_run(tmp_path, settings(), toy, on_gpu=False)


def commit(trial, accuracies, *outcomes):
    trial.folder.mkdir(parents=True, exist_ok=True)
    rows = [{"epoch": number, "val_accuracy": value} for number, value in enumerate(accuracies, 1)]
    durable.append(trial.folder / "epochs.jsonl", *rows, *outcomes)


def statuses(run):
    return [trial.status for trial in ledger.read(run.folder).trials]


def test_the_status_of_a_trial_follows_from_its_lines(run):
    commit(run.trials[0], [0.1, 0.2])
    commit(run.trials[1], [0.1], {"outcome": "diverged", "epoch": 2})
    assert statuses(run) == ["running", "diverged", "planned"]


def test_a_decision_to_stop_makes_a_trial_stopped(run):
    commit(run.trials[1], [0.1])
    record = {"sequence": 1, "trial": 1, "epoch": 1, "value": 0.1, "cutoff": 0.5, "decision": "stop"}
    durable.append(run.folder / "decisions.jsonl", record)
    assert statuses(run) == ["planned", "stopped", "planned"]


def test_a_finished_trial_runs_again_when_more_epochs_are_asked_for(run, settings, toy):
    commit(run.trials[0], [0.1] * 4, {"outcome": "finished"})
    assert statuses(run)[0] == "finished"
    opening.open_run(run.folder, settings(epochs=6), toy, on_gpu=False)
    assert statuses(run)[0] == "running"
    durable.append(run.trials[0].folder / "epochs.jsonl", {"epoch": 5, "val_accuracy": 0.2})
    assert len(ledger.read(run.folder).trials[0].epochs) == 5


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_the_best_epoch_is_the_earliest_of_the_highest(accuracies):
    rows = [{"epoch": number, "val_accuracy": value} for number, value in enumerate(accuracies, 1)]
    trial = ledger.Trial(0, "a", {"epochs": 9}, 0, "grid", folder=None, epochs=rows)
    assert trial.best["epoch"] == accuracies.index(max(accuracies)) + 1


@pytest.mark.parametrize("order", [[2], [1, 1], [1, 3], [1, 2, 2]])
def test_epochs_out_of_order_are_refused_by_file_and_line(run, order):
    trial = run.trials[0]
    trial.folder.mkdir(parents=True)
    durable.append(trial.folder / "epochs.jsonl", *({"epoch": number, "val_accuracy": 0.1} for number in order))
    with pytest.raises(RunError, match=rf"epochs\.jsonl:{len(order)}"):
        ledger.read(run.folder)


def test_one_line_of_the_plan_is_found_without_reading_the_others(run):
    lines = (run.folder / "trials.jsonl").read_bytes().splitlines(keepends=True)
    (run.folder / "trials.jsonl").write_bytes(b"damaged\n" + lines[1])
    assert ledger.planned(run.folder, 1)["index"] == 1


def test_a_trial_is_read_again_without_the_plan_unless_it_was_planned_since(run):
    commit(run.trials[1], [0.1, 0.3])
    again = ledger.reread(run, 1)
    assert again == ledger.read(run.folder).trials[1]
    assert [row["val_accuracy"] for row in again.epochs] == [0.1, 0.3]
    later = {**durable.read_lines(run.folder / "trials.jsonl")[0], "index": len(run.trials), "id": "abc"}
    durable.append(run.folder / "trials.jsonl", later)
    assert ledger.reread(run, later["index"]).id == "abc"
    (run.folder / "trials.jsonl").unlink()
    assert ledger.reread(run, 1) == again


def test_another_format_and_a_folder_that_is_no_run_are_refused(run, tmp_path):
    with pytest.raises(RunError, match="no run"):
        ledger.read(tmp_path / "nothing")
    identity = durable.read_json(run.folder / "run.json")
    durable.write_json(run.folder / "run.json", identity | {"schema": 99})
    with pytest.raises(RunError, match="schema 99"):
        ledger.read(run.folder)


def test_reading_a_run_loads_neither_torch_nor_ray():
    code = "import sys, search.run.ledger, search.run.opening; print([name for name in ('torch', 'ray') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("value", [None, "0.5", -0.1, 1.5, 1e308])
def test_a_row_without_an_accuracy_from_0_to_1_is_damage(tmp_path, value):
    durable.append(tmp_path / "epochs.jsonl", {"epoch": 1, "val_accuracy": value})
    with pytest.raises(RunError, match=r"epochs\.jsonl:1: .*val_accuracy is"):
        ledger.read_epochs(tmp_path / "epochs.jsonl", ACCURACY)
