"""How fast numbers of trials train in one process, on a CPU: pytest tests/trainables/engine/test_measure.py"""

import pytest
import torch

from tests.trainables.engine.test_engine import trainings
from trainables.engine import measure, pace
from trainables.engine.lanes import HostLane

pytestmark = pytest.mark.usefixtures("one_thread")
GIB = 1 << 30


def lanes(count):
    return [HostLane(captures=True) for _ in range(count)]


def test_each_number_is_measured_with_all_that_a_trial_has(toy, monkeypatch):
    """Its pieces and its validation are captured before a clock runs."""
    real, warm = pace.rate, []

    def rate(running, seconds):
        warm.append([each.pieces.captured for each in running])
        return real(running, seconds)

    monkeypatch.setattr(pace, "rate", rate)
    (training,) = trainings(toy, 1)
    found = dict(measure.rates(training, lanes(2), [1, 2], seconds=0.01))
    assert list(found) == [1, 2]
    assert min(found.values()) > 0
    assert warm == [[2], [2, 2]]


@pytest.mark.parametrize(("each", "expected"), [(1, [1, 2, 4]), (25, [1, 2]), (30, [1])])
def test_a_number_that_there_is_no_memory_for_is_not_tried(toy, monkeypatch, each, expected):
    """Of 80 GiB 8 stay free, and the trials to come may take half as much again as those that were measured."""
    begun = []
    monkeypatch.setattr(measure, "free", lambda device: (80 - each * len(begun)) * GIB)
    monkeypatch.setattr(measure, "total", lambda: 80 * GIB)
    monkeypatch.setattr(measure, "begun", lambda training, lane: begun.append(lane) or lane)
    monkeypatch.setattr(pace, "warm_up", lambda running: None)
    monkeypatch.setattr(pace, "rate", lambda running, seconds: 1.0)
    (training,) = trainings(toy, 1)
    assert [number for number, _ in measure.rates(training, lanes(4), [1, 2, 4], 0.0)] == expected


def test_memory_that_runs_out_all_the_same_ends_the_measurement_with_what_it_has(toy, monkeypatch):
    real = measure.begun

    def begun(training, lane):
        if lane is made[1]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(training, lane)

    made = lanes(2)
    monkeypatch.setattr(measure, "begun", begun)
    (training,) = trainings(toy, 1)
    assert [number for number, _ in measure.rates(training, made, [1, 2], 0.01)] == [1]
