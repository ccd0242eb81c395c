"""How many trials an engine is to train: pytest tests/search/backend/test_engine_slots.py"""

import time
from dataclasses import replace

import pytest

from search.backend import engine_slots, resources
from search.backend.gpu_sharing import task
from search.run import opening
from search.settings import lanes
from trainables.data import loading
from trainables.errors import UsageError


@pytest.fixture
def run(tmp_path, toy, settings):
    return opening.open_run(tmp_path, settings(), toy, on_gpu=False)


def test_the_number_that_pays_is_taken_and_said(run, settings, monkeypatch):
    asked = []
    monkeypatch.setattr(resources, "local_gpus", lambda: 1)
    monkeypatch.setattr(engine_slots, "measured", lambda task: asked.append(task) or {1: 400.0, 2: 590.0, 4: 600.0})
    found, said = engine_slots.settled(replace(settings(), engine="auto"), run)
    assert found.engine == 2
    assert said == "trials in one engine: 1: 400 images/s, 2: 590 images/s, 4: 600 images/s; --engine 2"
    assert asked[0]["numbers"] == [1, 2, 4, 8, 16, 32]
    assert asked[0]["device"] == "cuda"


def test_a_number_means_what_it_says(run, settings):
    asked = replace(settings(), engine=7)
    assert engine_slots.settled(asked, run) == (asked, None)
    assert engine_slots.settled(settings(), run) == (settings(), None)


def test_training_of_the_users_keeps_a_process_for_each_trial(run, settings, monkeypatch):
    monkeypatch.setattr(type(run.identity), "has_images", False)
    for engine in (3, "auto"):
        found, said = engine_slots.settled(replace(settings(), engine=engine), run)
        assert found.engine is None
        assert "each trial runs in its own process" in said


def test_it_measures_on_this_machine_only(run, settings, monkeypatch):
    monkeypatch.setattr(resources, "local_gpus", lambda: 0)
    with pytest.raises(UsageError, match="on this machine, which has no GPU"):
        engine_slots.settled(replace(settings(), engine="auto", address="10.0.0.1:6379"), run)


@pytest.mark.parametrize("text", ["many", "1.5", ""])
def test_what_is_no_number_of_trials_is_refused(text):
    with pytest.raises(UsageError, match="must be a whole number or auto"):
        lanes(text)


@pytest.mark.parametrize("number", [0, 33])
def test_a_gpu_has_32_streams(settings, number):
    with pytest.raises(UsageError, match="from 1 to 32"):
        replace(settings(), engine=number)


@pytest.mark.integration
@pytest.mark.slow
def test_a_process_measures_and_one_that_takes_too_long_is_ended(tmp_path, run, settings):
    cache = loading.prepare("digits", tmp_path / "data", progress=False)
    asked = task(run.trials[0].config, replace(settings(), cache=cache), run, "cpu") | {"numbers": [1, 2]}
    found = engine_slots.measured(asked, limit=300)
    assert sorted(found) == [1, 2]
    assert min(found.values()) > 0
    began = time.monotonic()
    assert engine_slots.measured(asked, limit=0.1) == {}
    assert time.monotonic() - began < 60
