"""A user's loop as the rows of a trial: pytest tests/trainables/own/test_loop.py"""

import asyncio
import signal
import sys
import threading
from types import ModuleType

import numpy as np
import pytest
import torch

from trainables.cli import signals
from trainables.files import durable
from trainables.objective import OwnObjective
from trainables.own.loop import LoopRows
from trainables.trial import checkpointing
from trainables.trial.rows import REPEATED

LOSS = OwnObjective("loss", "min", "decimals")
CONFIG = {"rate": 0.5, "epochs": 4}


@pytest.fixture
def rows(monkeypatch):
    """Rows of a function, as if its module lay in the code of a run."""

    def of(train, config=None):
        module = ModuleType("users_loop")
        module.train = train  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "users_loop", module)
        return LoopRows(config or CONFIG, LOSS, seed=3, device="cpu", function="users_loop:train")

    return of


def follow(config, *, seed, device, state=None):
    at, start = (state["at"], state["epoch"]) if state else (torch.zeros(2), 0)
    for epoch in range(start + 1, config["epochs"] + 1):
        noise = torch.randn(2, generator=torch.Generator().manual_seed(seed * 100 + epoch))
        at = at + config["rate"] * (3 - at) + noise
        yield {"loss": at.norm(), "epoch_is_odd": bool(epoch % 2)}, lambda: {"at": at, "epoch": epoch}  # noqa: B023 (called before the next step)


def without_state(config, *, seed, device, state=None):
    for metrics, _ in follow(config, seed=seed, device=device):
        yield metrics


def train(folder, rows, **how):
    return list(checkpointing.run(folder, rows, **how))


def ledger(folder):
    return (folder / "epochs.jsonl").read_bytes()


@pytest.mark.parametrize("loop", [follow, without_state])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_cut_anywhere_it_ends_in_the_same_bytes(tmp_path, rows, loop, cut):
    train(tmp_path / "whole", rows(loop))
    train(tmp_path / "cut", rows(loop), until=cut)
    assert len(durable.read_lines(tmp_path / "cut/epochs.jsonl")) == cut
    train(tmp_path / "cut", rows(loop))
    assert ledger(tmp_path / "cut") == ledger(tmp_path / "whole")
    assert not (tmp_path / "cut" / REPEATED).exists()
    assert bool(durable.states(tmp_path / "cut")) == (loop is follow)


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.mark.parametrize("place", ["trainables.files.durable.append", "trainables.trial.checkpointing.end"])
def test_killed_around_its_last_row_a_loop_has_the_state_of_its_last_epoch(tmp_path, rows, monkeypatch, place):
    """Before the row, or between the row and the outcome; with all rows there the loop is not started again."""

    def counted(config, *, seed, device, state=None):
        starts.append(1)
        yield from follow(config, seed=seed, device=device, state=state)

    def killed(path, line):
        if line.get("epoch", 0) == CONFIG["epochs"] or "outcome" in line:
            raise Killed
        append(path, line)

    starts: list[int] = []
    append = durable.append
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(place, killed)
        train(tmp_path, rows(counted))
    there = len(durable.read_lines(tmp_path / "epochs.jsonl"))
    train(tmp_path, rows(counted))
    assert len(starts) == (1 if there == CONFIG["epochs"] else 2)
    assert checkpointing.load_state(tmp_path, *rows(follow).names, at_most=9)["epoch"] == CONFIG["epochs"]
    train(tmp_path / "whole", rows(follow))
    assert ledger(tmp_path) == ledger(tmp_path / "whole")


def test_metrics_are_plain_numbers_and_a_state_is_read_back(tmp_path, rows):
    (first, *_) = train(tmp_path, rows(follow))
    assert {key: type(value) for key, value in first.items()} == {"epoch": int, "loss": float, "epoch_is_odd": int}


def test_global_random_numbers_do_not_depend_on_the_trial_before(tmp_path, rows):
    def draw(config, *, seed, device, state=None):
        for _ in range(config["epochs"]):
            yield {"loss": torch.rand(()).item()}

    train(tmp_path / "first", rows(draw))
    torch.rand(5)
    train(tmp_path / "again", rows(draw))
    assert ledger(tmp_path / "first") == ledger(tmp_path / "again")


def test_a_row_that_differs_is_noted_durably_and_the_committed_one_stands(tmp_path, rows):
    def drift(config, *, seed, device, state=None):
        starts.append(1)
        for epoch in range(config["epochs"]):
            yield {"loss": float(epoch + len(starts))}

    starts: list[int] = []
    train(tmp_path, rows(drift), until=2)
    train(tmp_path, rows(drift))
    lines = durable.read_lines(tmp_path / REPEATED)
    assert [(line["epoch"], line["committed"]["loss"], line["again"]["loss"]) for line in lines] == [
        (1, 1.0, 2.0),
        (2, 2.0, 3.0),
    ]
    losses = [row.get("loss") for row in durable.read_lines(tmp_path / "epochs.jsonl")]
    assert losses == [1.0, 2.0, 4.0, 5.0, None]


def raising(error):
    def loop(config, *, seed, device, state=None):
        yield {"loss": 1.0}
        raise error

    return loop


def yielding(*values):
    def loop(config, *, seed, device, state=None):
        yield from values

    return loop


@pytest.mark.parametrize(
    ("loop", "what"),
    [
        (raising(FileNotFoundError("corpus.txt")), "FileNotFoundError: corpus.txt"),
        (raising(PermissionError(13, "no")), "PermissionError"),
        (yielding({"loss": 1.0}), "ValueError: the loop ended after 1 of 4 epochs"),
        (yielding({"los": 1.0}), "ValueError: loss is not among the metrics los"),
        (yielding({"loss": "low"}), "TypeError: metric loss must be a number, but is 'low'"),
        (yielding({"loss": 1.0, "rank": 1}), "ValueError: no metric can be called rank"),
        (yielding([1.0]), "TypeError: no metrics: [1.0]"),
        (
            yielding(*[({"loss": 1.0}, lambda: {"x": object()})] * 4),
            "TypeError: the state cannot be saved and read back",
        ),
        (yielding({"loss": 1.0, "epoch": 2}), "ValueError: epoch 2 where 1 comes next"),
        (raising(SystemExit(3)), "SystemExit: 3"),
        (raising(GeneratorExit()), "GeneratorExit"),
        (raising(asyncio.CancelledError("stopped")), "CancelledError: stopped"),
        (yielding({"loss": 10**400}), "ValueError: metric loss is a whole number that is too large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_of_the_loop_is_a_failure_of_the_trial_and_none_of_the_machine(tmp_path, rows, loop, what):
    train(tmp_path, rows(loop))
    outcome = durable.read_lines(tmp_path / "epochs.jsonl")[-1]
    assert outcome["outcome"] == "failed"
    assert outcome["error"].startswith(what)
    assert "Traceback" in (tmp_path / "error.txt").read_text()


@pytest.mark.parametrize(
    ("state", "where"),
    [
        ({"rng": np.arange(3)}, "state['rng'] is a numpy.ndarray"),
        ({"deep": [1, {"at": np.float64(1.0)}]}, "state['deep'][1]['at'] is a numpy.float64"),
        (slice(3), "state is a builtins.slice"),
    ],
)
def test_a_state_that_is_not_read_back_is_told_by_its_place_and_type(tmp_path, rows, state, where):
    train(tmp_path, rows(yielding(*[({"loss": 1.0}, lambda: state)] * 4)))
    outcome = durable.read_lines(tmp_path / "epochs.jsonl")[-1]
    assert outcome["error"].startswith(f"TypeError: the state cannot be saved and read back: {where}. Return tensors, ")


def test_an_interrupt_that_the_loop_raises_in_a_worker_is_its_failure_and_ctrl_c_is_none(tmp_path, rows):
    """A worker trains in a thread, and signals are heard by the main one alone."""
    worker = threading.Thread(target=train, args=(tmp_path / "thread", rows(raising(KeyboardInterrupt()))))
    worker.start()
    worker.join()
    assert durable.read_lines(tmp_path / "thread" / "epochs.jsonl")[-1]["error"].startswith("KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "main", rows(raising(KeyboardInterrupt())))
    assert durable.read_lines(tmp_path / "main" / "epochs.jsonl") == [{"epoch": 1, "loss": 1.0}]


def test_a_signal_that_ends_the_process_is_no_failure(tmp_path, rows, monkeypatch):
    handlers = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    signals.exit_when_asked()

    def loop(config, *, seed, device, state=None):
        yield {"loss": 1.0}
        handlers[signal.SIGTERM](signal.SIGTERM, None)

    with pytest.raises(SystemExit):
        train(tmp_path, rows(loop))
    assert durable.read_lines(tmp_path / "epochs.jsonl") == [{"epoch": 1, "loss": 1.0}]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_objective_that_is_no_finite_number_has_diverged(tmp_path, rows, value):
    train(tmp_path, rows(yielding({"loss": 1.0}, {"loss": value})))
    assert durable.read_lines(tmp_path / "epochs.jsonl")[-1] == {"outcome": "diverged", "epoch": 2}


def test_another_metric_that_is_no_finite_number_is_left_out(tmp_path, rows):
    (first, *_) = train(tmp_path, rows(yielding(*[{"loss": 1.0, "ratio": float("nan")}] * 4)))
    assert first == {"epoch": 1, "loss": 1.0}
