"""Engines and those who listen to them, mostly without Ray: pytest tests/search/backend/test_engines.py"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.exceptions import RayActorError

from search.backend import engines, worker
from search.backend import host as hosts
from search.backend.host import Gate, Host, LeftError
from search.backend.places import Places
from search.backend.tune import PlanSearcher
from search.faults.machine import Fault
from search.run import ledger, opening
from search.turns import Turn
from tests.waiting import PATIENCE, until
from trainables.engine import lanes
from trainables.engine.lanes import HostLane
from trainables.files import durable
from trainables.objective import ACCURACY
from trainables.trial import checkpointing, timing

ROOT = Path(__file__).parents[3]
EPOCHS = 3


@pytest.fixture
def job(tmp_path, settings, toy, monkeypatch):
    """A run of three trials, planned."""
    durable.make_folder(tmp_path / "run" / "ray")
    opening.open_run(tmp_path / "run", replace(settings(), epochs=EPOCHS), toy, False)
    for module in (worker, hosts):
        monkeypatch.setattr(module, "images", lambda cache, fraction, fold=None: toy)
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
    thread.join(PATIENCE)
    assert len(committed(job, 0)) == EPOCHS


def test_a_trial_that_is_stopped_leaves_its_lane_and_its_folder_to_others(job):
    host = Host(job, 1, rungs=(1,))
    gate, thread = listening(host, Turn(0, EPOCHS))
    assert host.next(gate)["epoch"] == 1
    host.leave(gate)
    thread.join(PATIENCE)
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
    thread.join(PATIENCE)
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
    searcher = PlanSearcher(ManyTurns(), stopping=lambda: False, places=engines_up(3))
    assert [searcher.suggest(str(number))["engine"] for number in range(4)] == ["a", "b", "c", "a"]
    searcher.on_trial_complete("1")
    assert searcher.suggest("4") == {"trial": 4, "until": 1, "engine": "b"}


def engines_up(count, lanes=2):
    """Places with the engines a, b, ..."""
    places = Places([None] * count, lanes)
    for place, name in zip(places.all, "abcdef", strict=False):
        place.id, place.is_up = name, True
    return places


def test_no_trial_is_suggested_while_no_engine_has_room():
    """None is up at first; its lanes are full later. A turn is not taken in vain."""
    places, turns = engines_up(1), ManyTurns()
    searcher = PlanSearcher(turns, stopping=lambda: False, places=places)
    places.all[0].is_up = False
    assert searcher.suggest("0") is None
    places.all[0].is_up = True
    assert [searcher.suggest(str(number))["engine"] for number in range(2)] == ["a", "a"]
    assert searcher.suggest("2") is None
    assert len(turns.left) == 7
    searcher.on_trial_complete("0")
    assert searcher.suggest("3")["trial"] == 2


def test_a_death_is_heard_of_before_a_trial_is_suggested():
    heard, places = [], engines_up(2)
    searcher = PlanSearcher(ManyTurns(), lambda: False, places, look=lambda: heard.append(len(places.all[0].trials)))
    searcher.suggest("0")
    assert heard == [0]


def test_a_trial_that_nobody_listens_to_goes_back_to_its_engine():
    """Which ends its earlier turn; another one would find its folder locked."""
    places = engines_up(2)
    assert [places.take(trial) for trial in range(3)] == ["a", "b", "a"]
    places.leave(0)
    places.free(0)
    assert places.take(0) == "a"
    places.free(0)
    assert places.take(5) == "a"
    places.leave(1)
    places.free(1)
    places.died(places.find("b"), begun=2)
    assert places.take(1) == "a", "its engine has gone"


@pytest.mark.parametrize(("begun", "ends"), [(0, 3), (16, None), (1, None)])
def test_the_last_place_is_given_up_only_if_nothing_begins_there(begun, ends):
    """Where trials begin, it is for them to be blamed, one after the other."""
    places = engines_up(1)
    kept = [places.died(places.all[0], begun) for _ in range(ends or 9)]
    assert kept == [True] * (2 if ends else 9) + [False] * bool(ends)


def test_a_place_where_engines_die_again_and_again_is_given_up_for_another():
    """A row there forgives its deaths; a trial alone may be their cause."""
    places = engines_up(2)
    bad = places.all[1]
    for _ in range(2):
        assert places.died(bad, begun=16)
    bad.id, bad.is_up, bad.trials = "b", True, {7}
    places.has_row(7)
    assert [places.died(bad, begun=16), places.died(bad, begun=16), places.died(bad, begun=1)] == [True] * 3
    assert not places.died(bad, begun=16)
    assert [place.id for place in places.all] == ["a"]


def test_a_row_that_is_no_rung_is_not_waited_for():
    gate = Gate((2,))
    gate.report({"epoch": 1})
    gate.leave()
    with pytest.raises(LeftError):
        gate.report({"epoch": 2})
    assert gate.next() == {"epoch": 1}


def test_an_engine_whose_device_breaks_ends_its_process(job, monkeypatch):
    ends = []
    monkeypatch.setattr(hosts.os, "_exit", ends.append)
    monkeypatch.setattr(Host, "_take", lambda host: (_ for _ in ()).throw(RuntimeError("CUDA error: launch failure")))
    assert Host(job, 1, ()).ready() == {}
    until(lambda: ends)
    assert ends == [1]
    assert "CUDA error: launch failure" in (job.run / "ray" / "output.log").read_text()


def test_an_engine_without_the_gpu_it_was_granted_says_so(job):
    """Before any trial is given to it, and in one line."""
    fault = Host(replace(job, device="cuda"), 1, ()).ready()
    assert fault["fault"] == "ray"
    assert fault["message"].startswith("torch sees no GPU: ")


class Refusing(HostLane):
    def capture(self, body, generators):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")


def test_why_a_trial_is_called_is_noted_once_beside_its_rows(job, monkeypatch):
    monkeypatch.setattr(lanes, "lanes", lambda device, count: [Refusing(captures=True) for _ in range(count)])
    host = Host(job, 2, ())
    gates = [listening(host, Turn(trial, EPOCHS)) for trial in range(2)]
    found = [rows_of(host, gate) for gate, _ in gates]
    for trial in ledger.read(job.run).trials[:2]:
        notes = [line["called"] for line in timing.lines(trial.folder) if "called" in line]
        assert notes == ["train: operation not permitted when stream is capturing"]
        assert found[trial.index] == committed(job, trial.index)


def test_trials_of_one_engine_share_one_copy_of_the_images(job, monkeypatch, toy):
    """On a GPU each further one would take as much memory again."""
    loaded = []
    monkeypatch.setattr(hosts, "images", lambda cache, fraction: loaded.append(threading.current_thread().name))
    host = Host(job, 3, ())
    host.ready()
    assert len(loaded) == 1


def command(folder, *arguments):
    given = ["--space", "lr_sweep", "--dataset", "digits", "--fraction", "0.3", "--num-samples", "3", "--epochs", "6"]
    return subprocess.Popen(
        [sys.executable, ROOT / "run_search.py", *given, "--name", "t", *arguments], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def read(path):
    """Of a trial that may end just now."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    return ""


@pytest.mark.integration
@pytest.mark.slow
def test_a_search_whose_engine_is_killed_has_the_rows_of_one_without_engines(tmp_path):
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    process, run = command(tmp_path / "with", "--engine", "2"), tmp_path / "with" / "runs" / "t"
    pulses, ledgers = run / "ray" / "pulses", lambda: list(run.glob("trials/*/epochs.jsonl"))
    until(lambda: sum(path.read_text().count("\n") for path in ledgers()) >= 2, lambda: process.poll() is not None)
    engine = {text.split()[0] for text in map(read, pulses.glob("[0-9]*")) if text}
    assert len(engine) == 1, "both trials are in one process"
    os.kill(int(engine.pop()), signal.SIGKILL)
    _, errors = process.communicate(timeout=240)
    log = (run / "ray/output.log").read_text()
    assert process.returncode == 0, (errors, log[-3000:])
    assert log.count(" died, and with it the turns of ") == 1
    other = command(tmp_path / "without")
    assert (other.communicate(timeout=240), other.returncode)[1] == 0

    def rows(name):
        found = (tmp_path / name / "runs/t").glob("trials/*/epochs.jsonl")
        return {path.parent.name: [json.loads(line) for line in path.read_text().splitlines()] for path in found}

    assert rows("with") == rows("without")
    assert (tmp_path / "with/results.md").read_text() == (tmp_path / "without/results.md").read_text()


class Told:
    """A handle of an engine that nobody runs; its calls are known by engine and name."""

    def __init__(self, name):
        self.name = name

    def __getattr__(self, method):
        return SimpleNamespace(remote=lambda: (self.name, method))


@pytest.fixture
def fleet(monkeypatch):
    """Two engines that Ray would run; what `heard` holds is what it would tell, an exception or an answer."""
    heard, killed, deaths = {}, [], []

    def get(call):
        if isinstance(heard[call], Exception):
            raise heard[call]
        return heard[call]

    def wait(calls, num_returns, timeout):
        return [call for call in calls if call in heard], []

    def engine_died(trials):
        deaths.append(trials)
        return len(trials), None

    casualties = SimpleNamespace(
        engine_died=engine_died, lost_engines=lambda: "none is left", unheard=lambda trial: None
    )
    fake = SimpleNamespace(get=get, wait=wait, kill=lambda host: killed.append(host.name))
    monkeypatch.setattr(engines, "ray", fake)
    found = engines.Engines(Places([None, None], 16), lambda place, name: Told(name), casualties)
    return SimpleNamespace(engines=found, heard=heard, killed=killed, deaths=deaths, places=found.places)


def up(fleet):
    """Both are ready; their names."""
    names = [place.id for place in fleet.places.all]
    fleet.heard.update({(name, "ready"): {} for name in names})
    assert fleet.engines.look() is None
    return names


def test_engines_take_trials_once_they_are_ready(fleet):
    assert not fleet.places.has_room
    up(fleet)
    assert fleet.places.has_room


def test_one_death_that_seventeen_tell_of_is_one_event(fleet, capsys):
    """Ray tells of it, and so does each of the sixteen trials; the engine that follows has another id."""
    first, second = up(fleet)
    mine = [trial for trial in range(32) if fleet.places.take(trial) == first]
    fleet.heard[first, "live"] = RayActorError()
    assert fleet.engines.look() is None
    assert [fleet.engines.died(first) for _ in mine] == [None] * 16
    assert fleet.deaths == [mine]
    assert fleet.killed == [first]
    assert capsys.readouterr().err.count(" died, and with it the turns of 16 trials") == 1
    names = [place.id for place in fleet.places.all]
    assert first not in names
    assert second in names
    assert not fleet.places.has_room, "the one that follows is not ready"


def test_an_engine_without_its_gpu_ends_the_search_with_its_reason(fleet):
    first, _ = (place.id for place in fleet.places.all)
    fleet.heard[first, "ready"] = {"fault": "ray", "message": "torch sees no GPU"}
    assert fleet.engines.look() == Fault("ray", "torch sees no GPU")


def test_engines_that_all_die_before_anything_begins_end_the_search(fleet):
    found = None
    for _ in range(6):
        fleet.heard.update({(place.id, "live"): RayActorError() for place in fleet.places.all})
        found = fleet.engines.look() or found
    assert found == "none is left"
    assert fleet.engines.look() is None


def test_who_only_hands_on_rows_and_dies_is_no_death_of_a_trial(fleet):
    first, _ = up(fleet)
    fleet.places.take(0)
    assert fleet.engines.unheard(0) is None
    fleet.places.free(0)
    assert fleet.places.take(0) == first
    assert fleet.deaths == []
