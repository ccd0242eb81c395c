"""Engines and those who listen to them, mostly without Ray: pytest tests/search/backend/test_engines.py"""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from search.backend import engines, worker
from search.backend.engines import Gate, Host, LeftError
from search.backend.tune import PlanSearcher
from search.run import ledger, opening
from search.turns import Turn
from tests.waiting import until
from trainables.files import durable
from trainables.objective import ACCURACY
from trainables.trial import checkpointing

ROOT = Path(__file__).parents[3]
EPOCHS = 3


@pytest.fixture
def job(tmp_path, settings, toy, monkeypatch):
    """A run of three trials, planned."""
    durable.make_folder(tmp_path / "run" / "ray")
    opening.open_run(tmp_path / "run", replace(settings(), epochs=EPOCHS), toy, False)
    monkeypatch.setattr(worker, "images", lambda cache, fraction, fold: toy)
    monkeypatch.setattr(worker, "spare_the_loaded", lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return worker.Job(
        run=tmp_path / "run", cache=tmp_path, epochs=EPOCHS, fraction=1.0, precision="fp32", threads=1, device="cpu",
        objective=ACCURACY,
    )  # fmt: skip


def listening(host, turn):
    """A turn that is trained, and the gate of its rows."""
    gate = host.open(turn.trial)
    thread = threading.Thread(target=host.train, args=(gate, turn), daemon=True)
    thread.start()
    return gate, thread


def rows_of(host, gate):
    return list(iter(lambda: host.next(gate), None))


def committed(job, trial):
    return checkpointing.committed_rows(ledger.read(job.run).trials[trial].folder)


def test_rows_of_several_trials_are_those_of_workers(job, tmp_path):
    host = Host(job, 3, ())
    gates = [listening(host, Turn(trial, EPOCHS)) for trial in range(3)]
    found = [rows_of(host, gate) for gate, _ in gates]
    ours = [committed(job, trial) for trial in range(3)]
    assert found == ours
    for trial in range(3):
        durable.remove_states(ledger.read(job.run).trials[trial].folder)
        (ledger.read(job.run).trials[trial].folder / "epochs.jsonl").unlink()
        worker.train_trial(job, Turn(trial, EPOCHS), lambda row: None)
    assert [committed(job, trial) for trial in range(3)] == ours


def test_a_trial_waits_at_a_rung_until_its_row_was_decided_about(job):
    """Elsewhere it goes on while nobody has asked for its rows."""
    host = Host(job, 1, rungs=(2,))
    gate, thread = listening(host, Turn(0, EPOCHS))
    until(lambda: len(committed(job, 0)) == 2)
    assert [host.next(gate)["epoch"] for _ in range(2)] == [1, 2]
    thread.join(0.3)
    assert len(committed(job, 0)) == 2
    assert rows_of(host, gate)[0]["epoch"] == 3
    thread.join(30)
    assert len(committed(job, 0)) == EPOCHS


def test_a_trial_that_is_stopped_leaves_its_lane_and_its_folder_to_others(job):
    host = Host(job, 1, rungs=(1,))
    gate, thread = listening(host, Turn(0, EPOCHS))
    assert host.next(gate)["epoch"] == 1
    host.leave(gate)
    thread.join(30)
    assert not thread.is_alive()
    assert host.next(gate) is None
    other, _ = listening(host, Turn(1, 1))
    assert [row["epoch"] for row in rows_of(host, other)] == [1]
    again, _ = listening(host, Turn(0, EPOCHS))
    assert host.next(again)["epoch"] == 1, "told once more, for a decision that may be missing"
    assert [row["epoch"] for row in rows_of(host, again)] == [2, 3]


def test_a_turn_whose_listener_died_ends_when_the_trial_is_asked_for_again(job):
    """Its worker is gone; the rows that were committed meanwhile stand."""
    host = Host(job, 2, rungs=(2,))
    _, thread = listening(host, Turn(0, EPOCHS))
    until(lambda: len(committed(job, 0)) == 2)
    again, _ = listening(host, Turn(0, EPOCHS))
    assert [row["epoch"] for row in rows_of(host, again)] == [2, 3]
    thread.join(30)
    assert not thread.is_alive()


def test_a_full_disk_is_reported_as_a_fault(job, monkeypatch):
    real = durable.append

    def append(path, *records, **options):
        if path.name == "epochs.jsonl":
            raise OSError(28, "No space left on device", str(path))
        real(path, *records, **options)

    monkeypatch.setattr(durable, "append", append)
    host = Host(job, 1, ())
    gate, _ = listening(host, Turn(0, EPOCHS))
    (fault,) = rows_of(host, gate)
    assert fault["fault"] == "storage"


class ManyTurns:
    """Turns of nine trials."""

    over = False

    def __init__(self):
        self.left, self.ended = [Turn(trial, 1) for trial in range(9)], []

    def take(self):
        return self.left.pop(0)

    def end(self, trial):
        self.ended.append(trial)


def test_a_trial_goes_to_the_engine_with_the_fewest():
    searcher = PlanSearcher(ManyTurns(), stopping=lambda: False, engines=3)
    assert [searcher.suggest(str(number))["engine"] for number in range(4)] == [0, 1, 2, 0]
    searcher.on_trial_complete("1")
    assert searcher.suggest("4") == {"trial": 4, "until": 1, "engine": 1}


def test_a_row_that_is_no_rung_is_not_waited_for():
    gate = Gate((2,))
    gate.report({"epoch": 1})
    gate.leave()
    with pytest.raises(LeftError):
        gate.report({"epoch": 2})
    assert gate.next() == {"epoch": 1}


def test_an_engine_whose_device_breaks_ends_its_process(job, monkeypatch):
    ends = []
    monkeypatch.setattr(engines.os, "_exit", ends.append)
    monkeypatch.setattr(Host, "_take", lambda host: (_ for _ in ()).throw(RuntimeError("CUDA error: launch failure")))
    Host(job, 1, ())
    until(lambda: ends)
    assert ends == [1]


def command(folder, *arguments):
    given = ["--space", "lr_sweep", "--dataset", "digits", "--fraction", "0.3", "--num-samples", "3", "--epochs", "6"]
    return subprocess.Popen(
        [sys.executable, ROOT / "run_search.py", *given, "--name", "t", *arguments], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.integration
@pytest.mark.slow
def test_a_search_whose_engine_is_killed_has_the_rows_of_one_without_engines(tmp_path):
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    process, run = command(tmp_path / "with", "--engine", "2"), tmp_path / "with" / "runs" / "t"
    pulses, ledgers = run / "ray" / "pulses", lambda: list(run.glob("trials/*/epochs.jsonl"))
    until(lambda: sum(path.read_text().count("\n") for path in ledgers()) >= 2, lambda: process.poll() is not None)
    engine = {path.read_text().split()[0] for path in pulses.glob("[0-9]*")}
    assert len(engine) == 1, "both trials are in one process"
    os.kill(int(engine.pop()), signal.SIGKILL)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, (errors, (run / "ray/output.log").read_text()[-3000:])
    other = command(tmp_path / "without")
    assert (other.communicate(timeout=240), other.returncode)[1] == 0

    def rows(name):
        found = (tmp_path / name / "runs/t").glob("trials/*/epochs.jsonl")
        return {path.parent.name: [json.loads(line) for line in path.read_text().splitlines()] for path in found}

    assert rows("with") == rows("without")
    assert (tmp_path / "with/results.md").read_text() == (tmp_path / "without/results.md").read_text()
