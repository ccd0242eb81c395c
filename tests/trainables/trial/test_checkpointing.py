"""One trial in its folder: pytest tests/trainables/trial/test_checkpointing.py"""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch

from trainables.config import complete, trial_id
from trainables.errors import GpuMemoryError, LockedError, RunError
from trainables.files import durable
from trainables.models.networks import build
from trainables.training import loop, shared
from trainables.training.definition import Training
from trainables.trial import checkpointing, timing
from trainables.trial.rows import NetworkRows


def run(folder, config, data, seed=0, **more):
    torch.set_num_threads(1)
    return list(checkpointing.run(folder, Training(config, data, seed=seed, device="cpu", precision="fp32"), **more))


@pytest.fixture
def save_always(monkeypatch):
    monkeypatch.setattr(checkpointing, "SAVE_EVERY", 0.0)


def ledger(folder):
    return durable.read_lines(folder / "epochs.jsonl")


def test_a_finished_trial_leaves_rows_outcome_state_weights_and_predictions(tmp_path, toy, small):
    rows = run(tmp_path, small, toy)
    assert ledger(tmp_path) == [*rows, {"outcome": "finished"}]
    assert [path.name for path in durable.states(tmp_path)] == ["state-000004.pt"]
    saved = np.load(tmp_path / "val.npz")
    best = max(rows, key=lambda row: row["val_accuracy"])
    assert saved["epoch"] == best["epoch"]
    assert saved["correct"].mean() == pytest.approx(best["val_accuracy"])


def test_the_saved_weights_give_the_accuracy_of_the_best_row(tmp_path, toy, small):
    rows = run(tmp_path, small, toy)
    model = build(small, len(toy.classes))
    model.load_state_dict(safetensors.torch.load(durable.read_checked(tmp_path / "best.safetensors")))
    logits = loop.predict(model, toy.val.images, toy, "cpu", "fp32")
    assert (logits.argmax(1) == toy.val.labels).mean() == pytest.approx(max(row["val_accuracy"] for row in rows))


def test_the_outcome_is_committed_before_the_last_row_is_told(tmp_path, toy, small):
    for row in checkpointing.run(tmp_path, Training(small, toy, seed=0, device="cpu", precision="fp32")):
        assert row in ledger(tmp_path)
        assert ({"outcome": "finished"} in ledger(tmp_path)) == (row["epoch"] == 4)


def test_a_finished_trial_is_left_alone(tmp_path, toy, small):
    run(tmp_path, small, toy)
    before = (tmp_path / "epochs.jsonl").read_bytes()
    assert run(tmp_path, small, toy) == []
    assert (tmp_path / "epochs.jsonl").read_bytes() == before


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_trial_left_in_the_middle_goes_on_to_the_same_ledger(tmp_path, toy, small, save_always, cut):
    run(tmp_path / "whole", small, toy)
    epochs = checkpointing.run(tmp_path / "cut", Training(small, toy, seed=0, device="cpu", precision="fp32"))
    for _ in range(cut):
        next(epochs)
    epochs.close()
    again = run(tmp_path / "cut", small, toy)
    assert [row["epoch"] for row in again] == list(range(cut + 1, 5))
    assert (tmp_path / "cut/epochs.jsonl").read_bytes() == (tmp_path / "whole/epochs.jsonl").read_bytes()


def test_a_trial_of_two_optimizers_goes_on_from_its_saved_state(tmp_path, toy, small, save_always):
    config = complete(small | {"optimizer": "muon", "lr": 0.02})
    run(tmp_path / "whole", config, toy)
    epochs = checkpointing.run(tmp_path / "cut", Training(config, toy, seed=0, device="cpu", precision="fp32"))
    next(epochs), next(epochs)
    epochs.close()
    assert [row["epoch"] for row in run(tmp_path / "cut", config, toy)] == [3, 4]
    assert (tmp_path / "cut/epochs.jsonl").read_bytes() == (tmp_path / "whole/epochs.jsonl").read_bytes()


def test_without_any_state_the_rows_are_trained_again_and_must_agree(tmp_path, toy, small):
    run(tmp_path / "whole", small, toy)
    epochs = checkpointing.run(tmp_path / "cut", Training(small, toy, seed=0, device="cpu", precision="fp32"))
    next(epochs), next(epochs)
    epochs.close()
    assert not durable.states(tmp_path / "cut")
    run(tmp_path / "cut", small, toy)
    assert (tmp_path / "cut/epochs.jsonl").read_bytes() == (tmp_path / "whole/epochs.jsonl").read_bytes()


def test_a_committed_row_that_does_not_come_out_again_is_an_error(tmp_path, toy, small):
    epochs = checkpointing.run(tmp_path, Training(small, toy, seed=0, device="cpu", precision="fp32"))
    row = next(epochs)
    epochs.close()
    (tmp_path / "epochs.jsonl").write_text(json.dumps(row | {"val_loss": 0.5}) + "\n")
    with pytest.raises(RunError, match="epoch 1 came out differently in val_loss"):
        run(tmp_path, small, toy)


def with_other_rows(folder, rows):
    """A ledger as another device would have written it: epoch 1 is by far the best."""
    durable.append(folder / "epochs.jsonl", rows[0] | {"val_accuracy": 1.0}, rows[1] | {"val_accuracy": 0.025})


@pytest.mark.parametrize("why", ["allowed", "gpu"])
def test_where_epochs_may_come_out_differently_the_ledger_stands_and_the_best_is_the_ledgers(tmp_path, toy, small, why):
    """After a change that was allowed, or where the rows are of a GPU. The weights must be those of the epoch in the table."""
    rows = run(tmp_path / "whole", small, toy)
    durable.make_folder(tmp_path / "cut")
    with_other_rows(tmp_path / "cut", rows)
    if why == "gpu":
        timing.note(tmp_path / "cut", timing.epoch_line(1, 1.0, 100, "cuda"))
    again = run(tmp_path / "cut", small, toy, exact=why == "gpu")
    assert again == rows[2:]
    assert [row["val_accuracy"] for row in ledger(tmp_path / "cut")[:2]] == [1.0, 0.025]
    assert timing.repeated(tmp_path / "cut") == {1, 2}
    sidecar = durable.read_json(tmp_path / "cut/best.json")
    assert (sidecar["epoch"], sidecar["val_accuracy"]) == (1, 1.0)
    assert np.load(tmp_path / "cut/val.npz")["epoch"] == 1


def test_rows_that_another_process_committed_meanwhile_are_told_first(tmp_path, toy, small):
    """It was thought dead, and the search has not heard of them, nor decided about them."""
    rows = run(tmp_path / "whole", small, toy)
    durable.make_folder(tmp_path / "cut")
    durable.append(tmp_path / "cut/epochs.jsonl", *rows[:3])
    assert run(tmp_path / "cut", small, toy, heard=1) == rows[1:]
    assert run(tmp_path / "whole", small, toy, heard=2) == rows[2:]
    assert run(tmp_path / "whole", small, toy, heard=4) == []


def failing(monkeypatch, error):
    def broken(*arguments):
        raise error

    monkeypatch.setattr(shared, "build", broken)


def test_memory_of_a_shared_gpu_is_not_held_against_the_configuration(tmp_path, toy, small, monkeypatch):
    failing(monkeypatch, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(GpuMemoryError):
        run(tmp_path, small, toy, shares_gpu=True)
    assert ledger(tmp_path) == []
    assert run(tmp_path, small, toy) == []
    assert ledger(tmp_path)[0]["error"] == "out of memory: CUDA out of memory"


@pytest.mark.parametrize(
    "text",
    [
        "GET was unable to find an engine to execute this computation",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'",
    ],
)
def test_a_library_without_memory_on_a_shared_gpu_is_not_held_against_the_configuration(
    tmp_path, toy, small, monkeypatch, text
):
    failing(monkeypatch, RuntimeError(text))
    with pytest.raises(GpuMemoryError):
        run(tmp_path, small, toy, shares_gpu=True)
    assert ledger(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: unspecified launch failure",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "CUDA driver error: invalid",
    ],
)
def test_a_broken_device_ends_the_process_and_not_the_trial(tmp_path, toy, small, monkeypatch, text):
    failing(monkeypatch, RuntimeError(text))
    with pytest.raises(RuntimeError, match=text):
        run(tmp_path, small, toy)
    assert ledger(tmp_path) == []


def test_a_damaged_state_is_noted_and_the_one_before_it_taken(tmp_path, toy, small, save_always):
    run(tmp_path / "whole", small, toy)
    epochs = checkpointing.run(tmp_path / "cut", Training(small, toy, seed=0, device="cpu", precision="fp32"))
    next(epochs), next(epochs), next(epochs)
    epochs.close()
    newest = durable.states(tmp_path / "cut")[0]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(bytes(data))
    run(tmp_path / "cut", small, toy)
    assert (tmp_path / "cut/epochs.jsonl").read_bytes() == (tmp_path / "whole/epochs.jsonl").read_bytes()
    assert any(newest.name in record.get("note", "") for record in durable.read_lines(tmp_path / "cut/timing.jsonl"))


def test_a_state_whose_writing_was_cut_off_is_removed_and_the_one_before_it_taken(tmp_path, toy, small, save_always):
    training = Training(small, toy, seed=0, device="cpu", precision="fp32")
    epochs = checkpointing.run(tmp_path, training)
    next(epochs), next(epochs), next(epochs)
    epochs.close()
    newest, before = durable.states(tmp_path)
    newest.with_suffix(".json").unlink()
    state = checkpointing.load_state(tmp_path, *NetworkRows(training).names, at_most=9)
    assert before.name == f"state-{state['epoch']:06d}.pt"
    assert durable.states(tmp_path) == [before]


def test_a_state_of_another_trial_is_not_taken(tmp_path, toy, small, save_always):
    run(tmp_path, small, toy, seed=1)
    assert checkpointing.load_state(tmp_path, trial_id(small, 0), at_most=4) is None
    assert checkpointing.load_state(tmp_path, trial_id(small, 1), at_most=4)["epoch"] == 4


def test_a_longer_trial_goes_on_from_the_end_and_equals_one_of_that_length(tmp_path, toy, small):
    run(tmp_path / "long", small | {"epochs": 6}, toy)
    run(tmp_path / "grown", small, toy)
    again = run(tmp_path / "grown", small | {"epochs": 6}, toy)
    assert [row["epoch"] for row in again] == [5, 6]
    grown, long = ledger(tmp_path / "grown"), ledger(tmp_path / "long")
    assert [row for row in grown if "epoch" in row] == [row for row in long if "epoch" in row]
    assert (tmp_path / "grown/best.safetensors").read_bytes() == (tmp_path / "long/best.safetensors").read_bytes()


def test_only_the_last_two_states_are_kept(tmp_path, toy, small, save_always):
    for _ in checkpointing.run(tmp_path, Training(small, toy, seed=0, device="cpu", precision="fp32")):
        assert len(durable.states(tmp_path)) <= 2
    assert {path.suffix for path in tmp_path.glob("state-*")} == {".pt", ".json"}


def test_a_request_to_stop_saves_the_state_of_the_running_epoch(tmp_path, toy, small):
    epochs = checkpointing.run(
        tmp_path, Training(small, toy, seed=0, device="cpu", precision="fp32"), stopping=lambda: True
    )
    next(epochs)
    assert [path.name for path in durable.states(tmp_path)] == ["state-000001.pt"]


def test_a_request_that_comes_after_the_epoch_saves_its_state_too(tmp_path, toy, small):
    asked = []
    epochs = checkpointing.run(
        tmp_path, Training(small, toy, seed=0, device="cpu", precision="fp32"), stopping=lambda: bool(asked)
    )
    next(epochs)
    assert not durable.states(tmp_path)
    asked.append(True)
    epochs.close()
    assert [path.name for path in durable.states(tmp_path)] == ["state-000001.pt"]


def test_divergence_is_an_outcome_and_leaves_no_state(tmp_path, toy, small, save_always):
    assert run(tmp_path, small | {"optimizer": "sgd", "lr": 1e12, "momentum": 0.0}, toy) == []
    assert ledger(tmp_path) == [{"outcome": "diverged", "epoch": 1}]
    assert not durable.states(tmp_path)


def test_an_error_of_the_configuration_is_an_outcome_with_its_place(tmp_path, toy, small, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("shapes do not match\nand more")

    monkeypatch.setattr(shared, "build", broken)
    assert run(tmp_path, small, toy) == []
    (outcome,) = ledger(tmp_path)
    assert outcome["outcome"] == "failed"
    assert outcome["error"] == "RuntimeError: shapes do not match"
    assert outcome["where"].startswith("test_checkpointing.py:")
    assert "Traceback" in (tmp_path / "error.txt").read_text()


def test_two_processes_cannot_train_one_trial(tmp_path, toy, small):
    epochs = checkpointing.run(tmp_path, Training(small, toy, seed=0, device="cpu", precision="fp32"))
    next(epochs)
    with pytest.raises(LockedError):
        run(tmp_path, small, toy)
    epochs.close()
    assert run(tmp_path, small, toy)[-1]["epoch"] == 4


KILLED = """
import os, sys, torch
from pathlib import Path
from trainables import config; from trainables.trial import checkpointing as trial; from trainables.data import loading as data
torch.set_num_threads(1)
trial.SAVE_EVERY = 0.2
small = config.complete({"model": "mlp", "depth": 2, "width": 64, "optimizer": "adamw", "lr": 1e-3, "dropout": 0.2,
                         "schedule": "cosine", "augment": "standard", "epochs": 25})
images = data.load(data.prepare("digits", Path(sys.argv[2]) / "data", progress=False))
for row in trial.run(Path(sys.argv[1]), trial.Training(small, images, seed=0, device="cpu", precision="fp32")):
    print(row["epoch"], flush=True)
"""


@pytest.mark.slow
@pytest.mark.integration
def test_a_chain_of_kills_ends_in_the_ledger_of_an_uninterrupted_trial(tmp_path):
    def start(name):
        command = [sys.executable, "-c", KILLED, str(tmp_path / name), str(tmp_path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    with start("whole") as whole:
        assert whole.wait() == 0
    kills = 0
    for rows in (1, 3, 2, 4, 1):
        with start("killed") as process:
            for _ in range(rows):
                process.stdout.readline()  # it has committed a new row, or ended
            os.kill(process.pid, signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
    with start("killed") as process:
        assert process.wait() == 0
    assert kills == 5
    assert (tmp_path / "killed/epochs.jsonl").read_bytes() == (tmp_path / "whole/epochs.jsonl").read_bytes()
    assert (tmp_path / "killed/best.safetensors").read_bytes() == (tmp_path / "whole/best.safetensors").read_bytes()
