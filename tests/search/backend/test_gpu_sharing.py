"""How many trials should share a GPU. The processes are real, their device is the CPU."""

import dataclasses
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.backend import engine_slots, gpu_sharing, resources
from search.run import opening
from trainables.data import loading
from trainables.errors import UsageError


@pytest.fixture
def run(tmp_path, toy, settings):
    return opening.open_run(tmp_path, settings(), toy, on_gpu=False)


@pytest.fixture
def asked(tmp_path, run, settings):
    """What a process is to train, on the digits."""
    cache = loading.prepare("digits", tmp_path / "data", progress=False)
    return gpu_sharing.task(run.trials[0].config, replace(settings(), cache=cache), run, "cpu")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, 1),
        ({1: 100.0}, 1),
        ({1: 100.0, 2: 180.0, 4: 190.0}, 2),
        ({1: 100.0, 2: 105.0, 4: 300.0}, 1),
        ({1: 100.0, 2: 190.0, 4: 350.0, 8: 600.0}, 8),
    ],
)
def test_twice_as_many_trials_must_bring_a_tenth_more(found, expected):
    assert gpu_sharing.best(found) == expected


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=4))
def test_the_choice_is_one_that_was_measured_and_no_slower_than_one_trial_alone(rates):
    found = {1 << power: rate for power, rate in enumerate(rates)}
    chosen = gpu_sharing.best(found)
    assert found[chosen] >= found[1]


@pytest.mark.parametrize(
    ("cpus", "trials", "at_once", "expected"),
    [
        (16, 100, None, [1, 2, 4, 8]),
        (6, 100, None, [1, 2, 4]),
        (16, 3, None, [1, 2]),
        (16, 100, 2, [1, 2]),
        (1, 9, None, [1]),
    ],
)
def test_there_are_no_more_than_cpus_and_trials(monkeypatch, settings, cpus, trials, at_once, expected):
    monkeypatch.setattr(resources, "local_gpus", lambda: 1)
    monkeypatch.setattr(resources, "local_cpus", lambda: cpus)
    assert gpu_sharing.counts(replace(settings(), max_concurrent=at_once), trials) == expected


@pytest.mark.slow
def test_processes_train_side_by_side_and_none_is_left(asked, monkeypatch):
    monkeypatch.setattr(gpu_sharing, "SECONDS", 0.5)
    begun, real = [], subprocess.Popen
    monkeypatch.setattr(gpu_sharing.subprocess, "Popen", lambda *a, **k: begun.append(real(*a, **k)) or begun[-1])
    found = gpu_sharing.paces(asked, [1, 2])
    assert sorted(found) == [1, 2]
    assert min(found.values()) > 0
    assert len(begun) == 2
    assert all(process.returncode is not None for process in begun)


@pytest.mark.slow
def test_what_cannot_train_is_left_out(asked):
    found = gpu_sharing.paces({**asked, "cache": "nowhere"}, [1, 2])
    assert found == {}
    assert gpu_sharing.said(found) == "trials on one GPU: none could train; --gpus-per-trial 1"


NOISY = """
from torch import nn
print("a word of the user's")


def noisy(classes: int):
    print("another one")
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, classes))
"""


@pytest.mark.slow
def test_a_network_of_the_users_is_measured_though_its_file_prints(asked, tmp_path):
    (tmp_path / "own_nets.py").write_text(NOISY)
    config = {key: value for key, value in asked["config"].items() if key not in ("depth", "width", "dropout")}
    own = asked | {"code": str(tmp_path), "config": config | {"model": "own_nets.py:noisy"}}
    assert gpu_sharing.paces(own, [1])[1] > 0
    assert engine_slots.measured(own | {"numbers": [1]}, limit=300)[1] > 0


def test_a_process_waits_for_the_word_and_ends_with_it(asked):
    process = subprocess.Popen(
        [sys.executable, "-m", "trainables.trial.throughput"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"
    said, _ = process.communicate("0.2\n0.2\n")
    assert len(said.splitlines()) == 2
    assert all(float(line) > 0 for line in said.splitlines())
    assert process.returncode == 0


def test_the_fraction_is_that_of_the_most_expensive_trial_that_is_left(monkeypatch, settings, run):
    tried = []
    monkeypatch.setattr(resources, "local_gpus", lambda: 1)
    monkeypatch.setattr(resources, "local_cpus", lambda: 16)
    monkeypatch.setattr(gpu_sharing, "paces", lambda asked, numbers: tried.append(asked) or {1: 10.0, 2: 19.0})
    wide = replace(run.trials[1], config={**run.trials[1].config, "width": 1024})
    found, said = gpu_sharing.settled(
        replace(settings(), gpus_per_trial="auto"), replace(run, trials=[run.trials[0], wide])
    )
    assert found.gpus_per_trial == 0.5
    assert tried[0]["config"]["width"] == 1024
    assert tried[0]["device"] == "cuda"
    assert said == "trials on one GPU: 1: 10 images/s, 2: 19 images/s; --gpus-per-trial 0.5"


def test_the_largest_batch_counts_as_much_as_the_network(monkeypatch, settings, run):
    """Both decide what of the memory a trial takes."""
    tried = []
    monkeypatch.setattr(resources, "local_gpus", lambda: 1)
    monkeypatch.setattr(gpu_sharing, "paces", lambda asked, numbers: tried.append(asked) or {})
    large = replace(run.trials[1], config={**run.trials[1].config, "batch_size": 4096})
    gpu_sharing.settled(
        replace(settings(), gpus_per_trial="auto"), replace(run, trials=[run.trials[0], large, run.trials[2]])
    )
    assert tried[0]["config"]["batch_size"] == 4096


def test_trials_that_tpe_has_not_planned_yet_count(monkeypatch, settings, run):
    tried = []
    monkeypatch.setattr(resources, "local_gpus", lambda: 1)
    monkeypatch.setattr(resources, "local_cpus", lambda: 16)
    monkeypatch.setattr(gpu_sharing, "paces", lambda asked, numbers: tried.append(numbers) or {})
    begun = replace(run, trials=run.trials[:1], totals=dataclasses.replace(run.totals, trials=30, seeds=2))
    gpu_sharing.settled(replace(settings(), gpus_per_trial="auto"), begun)
    assert tried == [[1, 2, 4, 8]]


def test_without_a_gpu_there_is_nothing_to_share(monkeypatch, settings, run):
    monkeypatch.setattr(resources, "local_gpus", lambda: 0)
    auto = replace(settings(), gpus_per_trial="auto")
    assert gpu_sharing.settled(settings(), run) == (settings(), None)
    assert gpu_sharing.settled(auto, run) == (
        replace(auto, gpus_per_trial=None),
        "--gpus-per-trial auto: this machine has no GPU to share",
    )
    assert gpu_sharing.settled(auto, replace(run, trials=[]))[1] is None
    with pytest.raises(UsageError, match="Give a fraction"):
        gpu_sharing.settled(replace(auto, address="10.0.0.1:6379"), run)


def test_one_that_says_nothing_is_not_waited_for_for_ever(asked, monkeypatch):
    """It sleeps instead of training, as a process does whose GPU hangs."""
    monkeypatch.setattr(gpu_sharing, "PATIENCE", 0.2)
    monkeypatch.setattr(
        gpu_sharing.child, "command", lambda module: [sys.executable, "-c", "import time; time.sleep(60)"]
    )
    assert gpu_sharing.paces(asked, [1, 2]) == {}
