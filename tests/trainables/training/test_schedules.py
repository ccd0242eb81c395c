"""The learning rate over time: pytest tests/trainables/training/test_schedules.py"""

import pytest

from trainables.training.schedules import learning_rate


def rates(schedule):
    config = {"schedule": schedule, "epochs": 10}
    return [learning_rate(config, 0.4, step / 10) for step in range(101)]


def test_constant_never_changes():
    assert set(rates("constant")) == {0.4}


def test_cosine_falls_from_the_rate_to_zero():
    curve = rates("cosine")
    assert curve[0] == 0.4
    assert curve[50] == pytest.approx(0.2)
    assert curve[100] == pytest.approx(0)
    assert curve == sorted(curve, reverse=True)


def test_onecycle_climbs_to_the_rate_and_falls_to_zero():
    curve = rates("onecycle")
    peak = curve.index(max(curve))
    assert curve[0] == pytest.approx(0.4 / 25)
    assert (peak, curve[peak]) == (30, pytest.approx(0.4))
    assert curve[: peak + 1] == sorted(curve[: peak + 1])
    assert curve[peak:] == sorted(curve[peak:], reverse=True)
    assert curve[100] == pytest.approx(0)
