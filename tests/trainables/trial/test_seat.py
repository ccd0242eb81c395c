"""Trials of an engine in their folders: pytest tests/trainables/trial/test_seat.py"""

import copy
import queue
import threading
import time

import pytest
import torch

from tests.trainables.engine.test_engine import trainings
from trainables.engine.engine import Engine
from trainables.engine.lanes import HostLane
from trainables.errors import StorageError
from trainables.files import durable
from trainables.models import cost
from trainables.parts import calling
from trainables.training.loop import train
from trainables.trial import checkpointing, rows
from trainables.trial.seat import Seat, SeatedRows

pytestmark = pytest.mark.usefixtures("one_thread")
EXACT = ("epochs.jsonl", "best.safetensors", "best.json", "val.npz")


class Office:
    """An engine in this thread, and a thread for each trial that commits."""

    def __init__(self, lanes):
        self.given = queue.SimpleQueue()
        self.engine = Engine([HostLane() for _ in range(lanes)], self.take)
        self.threads, self.errors = [], []

    def take(self):
        try:
            return self.given.get_nowait()
        except queue.Empty:
            return None

    def open(self, folder, training, most=None, **options):
        """Train it in its folder, or only its first rows."""

        def commit():
            try:
                rows = checkpointing.run(folder, SeatedRows(training, Seat(self.given.put).epochs), **options)
                for number, _ in enumerate(rows, 1):
                    if number == most:
                        rows.close()
                        return
            except Exception as error:
                self.errors.append(error)

        self.threads.append(threading.Thread(target=commit, daemon=True))
        self.threads[-1].start()

    def serve(self):
        self.engine.serve(lambda: not any(thread.is_alive() for thread in self.threads))
        while self.engine.running:
            self.engine.round()


def files(folder):
    return {name: (folder / name).read_bytes() for name in EXACT if (folder / name).exists()}


@pytest.fixture
def alone(tmp_path, toy):
    """Folders of five trials that nobody disturbed."""
    for place, training in enumerate(trainings(toy, 5)):
        list(checkpointing.run(tmp_path / f"alone-{place}", training))
    return [files(tmp_path / f"alone-{place}") for place in range(5)]


def test_folders_are_those_of_trials_that_run_alone(tmp_path, toy, alone):
    office = Office(lanes=3)
    for place, training in enumerate(trainings(toy, 5)):
        office.open(tmp_path / str(place), training)
    office.serve()
    assert office.errors == []
    assert [files(tmp_path / str(place)) for place in range(5)] == alone


def test_trials_that_were_cut_go_on_in_another_engine(tmp_path, toy, alone, monkeypatch):
    """Some with a state, some whose state is older than their rows, as after a kill."""
    for place, training in enumerate(trainings(toy, 5)):
        monkeypatch.setattr(checkpointing, "SAVE_EVERY", 0.0 if place % 2 else 3600.0)
        office = Office(lanes=2)
        office.open(tmp_path / str(place), training, most=1)
        office.serve()
        assert len(checkpointing.committed_rows(tmp_path / str(place))) == 1
    office = Office(lanes=5)
    for place, training in enumerate(trainings(toy, 5)):
        office.open(tmp_path / str(place), training)
    office.serve()
    assert office.errors == []
    assert [files(tmp_path / str(place)) for place in range(5)] == alone


def test_a_slow_disk_holds_up_one_trial_and_no_other(tmp_path, toy, monkeypatch):
    """Its append comes back only when all others have ended."""
    given, real, others_ended = trainings(toy, 4), durable.append, threading.Event()

    def append(path, *records, **options):
        if path == tmp_path / "0" / "epochs.jsonl":
            assert others_ended.wait(60)
        real(path, *records, **options)

    monkeypatch.setattr(durable, "append", append)
    office = Office(lanes=4)
    for place, training in enumerate(given):
        office.open(tmp_path / str(place), training)
    deadline = time.monotonic() + 60
    while any(thread.is_alive() for thread in office.threads[1:]) and time.monotonic() < deadline:
        office.engine.round()
    assert not (tmp_path / "0" / "epochs.jsonl").exists()
    others_ended.set()
    office.serve()
    assert office.errors == []
    assert [checkpointing.has_ended(tmp_path / str(place), 2) for place in range(4)] == [True] * 4


def test_a_state_is_of_the_epoch_that_it_names_however_slow_the_disk(tmp_path, toy, monkeypatch):
    """The trial waits while its epoch is committed: the tensors of the state are live ones."""
    training, real = trainings(toy, 1)[0], durable.append
    expected = [copy.deepcopy(epoch.state()) for epoch in train(training)][1]

    def append(path, *records, **options):
        if path.name == "epochs.jsonl":
            time.sleep(0.05)
        real(path, *records, **options)

    monkeypatch.setattr(checkpointing, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(durable, "append", append)
    office = Office(lanes=1)
    office.open(tmp_path / "slow", training, most=2)
    office.serve()
    state = checkpointing.load_state(tmp_path / "slow", *training.names, at_most=9)
    assert state["epoch"] == expected["epoch"] == 2
    for part in ("model", "average"):
        assert all(torch.equal(value, expected[part][name]) for name, value in state[part].items())


def test_a_full_disk_ends_that_trial_alone(tmp_path, toy, alone, monkeypatch):
    real = durable.append

    def append(path, *records, **options):
        if path.parent.name == "1":
            raise OSError(28, "No space left on device", str(path))
        real(path, *records, **options)

    monkeypatch.setattr(durable, "append", append)
    office = Office(lanes=3)
    for place, training in enumerate(trainings(toy, 5)):
        office.open(tmp_path / str(place), training)
    office.serve()
    assert [type(error) for error in office.errors] == [StorageError]
    assert [files(tmp_path / str(place)) for place in (0, 2, 3, 4)] == [alone[place] for place in (0, 2, 3, 4)]


def test_memory_that_runs_out_beside_others_is_not_in_the_ledger(tmp_path, toy, alone, monkeypatch):
    """Its rows are committed once, though its epochs are trained again."""
    given = trainings(toy, 5)
    office, real, times = Office(lanes=5), Seat._heard, [1]

    def heard(seat, epoch):
        if epoch.metrics["epoch"] == 2 and times and epoch.model is not None and office.engine.running > 1:
            times.pop()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(seat, epoch)

    monkeypatch.setattr(Seat, "_heard", heard)
    for place, training in enumerate(given):
        office.open(tmp_path / str(place), training)
    office.serve()
    assert office.engine.most == 2
    assert office.errors == []
    assert [files(tmp_path / str(place)) for place in range(5)] == alone


@pytest.mark.parametrize("place", ["of", "latency"])
def test_global_random_states_are_no_other_trials_while_one_is_measured(tmp_path, toy, monkeypatch, place):
    """A user's network draws from them as it is built to count its weights; meanwhile no other trial may have them."""
    monkeypatch.setattr(calling, "is_all_built_in", lambda config, families: False)
    monkeypatch.setattr(cost, "has_formula", lambda config: False)
    seen, module = [], {"of": cost, "latency": rows}[place]
    real = getattr(module, place)

    def looking(*arguments):
        before = torch.get_rng_state()
        time.sleep(0.05)
        seen.append(torch.equal(torch.get_rng_state(), before))
        return real(*arguments)

    monkeypatch.setattr(module, place, looking)
    office = Office(lanes=5)
    for number, training in enumerate(trainings(toy, 5)):
        office.open(tmp_path / str(number), training)
    office.serve()
    assert office.errors == []
    assert seen == [True] * 5
