"""Successive halving as a pure function, held to Ray's: pytest tests/search/test_stopping.py"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.decisions import Decisions
from search.stopping import cutoff, decide, milestones
from trainables import durable

ASHA = {"name": "asha", "grace_period": 1, "reduction_factor": 3}
streams = st.lists(st.lists(st.floats(0, 1), min_size=9, max_size=9), min_size=1, max_size=12)  # curves of 9 epochs


@pytest.mark.parametrize(
    ("grace", "factor", "epochs", "expected"),
    [(1, 3, 10, [1, 3, 9]), (1, 3, 9, [1, 3]), (2, 2, 12, [2, 4, 8]), (1, 4, 20, [1, 4, 16]), (5, 3, 4, [])],
)
def test_rungs_grow_by_the_reduction_factor_and_end_before_the_last_epoch(grace, factor, epochs, expected):
    assert milestones(grace, factor, epochs) == expected


def test_the_first_to_arrive_goes_on_and_a_worse_second_stops():
    assert decide({1: []}, 1, 0.1, 3) == (False, None)
    assert decide({1: [0.5]}, 1, 0.4, 3) == (True, 0.5)
    assert decide({1: [0.5]}, 1, 0.5, 3) == (False, 0.5)


def test_the_cutoff_is_the_quantile_above_which_one_in_factor_lies():
    assert cutoff([0.0, 0.1, 0.2, 0.3], 4) == pytest.approx(0.225)


def play(decisions, curves, order):
    """Feed the curves epoch by epoch in a given order of turns; what stopped where."""
    position, stopped = dict.fromkeys(range(len(curves)), 0), {}
    for trial in order:
        if trial in stopped or position[trial] == 9:
            continue
        position[trial] += 1
        if position[trial] < 9 and decisions(trial, position[trial], curves[trial][position[trial] - 1]):
            stopped[trial] = position[trial]
    return stopped


@given(streams, st.data())
def test_our_decisions_are_those_of_ray(tmp_path_factory, curves, data):
    from ray.tune.experiment import Trial
    from ray.tune.schedulers import ASHAScheduler, TrialScheduler

    order = data.draw(st.permutations([trial for trial in range(len(curves)) for _ in range(9)]))
    theirs = ASHAScheduler(time_attr="epoch", metric="value", mode="max", max_t=9, grace_period=1, reduction_factor=3)
    trials = [Trial("none", stub=True) for _ in curves]
    for trial in trials:
        theirs.on_trial_add(None, trial)

    def ray_stops(index, epoch, value):
        return theirs.on_trial_result(None, trials[index], {"epoch": epoch, "value": value}) == TrialScheduler.STOP

    path = tmp_path_factory.mktemp("asha") / "decisions.jsonl"
    ours = Decisions(path, ASHA, 9, [])
    assert play(ours.stops, curves, order) == play(ray_stops, curves, order)


@given(streams, st.data())
def test_a_search_cut_anywhere_decides_the_rest_as_if_it_was_whole(tmp_path_factory, curves, data):
    order = data.draw(st.permutations([trial for trial in range(len(curves)) for _ in range(9)]))
    whole, cut = (tmp_path_factory.mktemp("cut") / "decisions.jsonl" for _ in range(2))
    calls = []
    once = Decisions(whole, ASHA, 9, [])
    play(lambda *call: calls.append(call) or once.stops(*call), curves, order)
    position = data.draw(st.integers(0, len(calls)))
    before = Decisions(cut, ASHA, 9, [])
    for call in calls[:position]:
        before.stops(*call)
    after = Decisions(cut, ASHA, 9, durable.read_lines(cut))
    for call in calls[max(0, position - 3) :]:  # the last rows are reported again
        after.stops(*call)
    assert durable.read_lines(cut) == durable.read_lines(whole)


def test_a_recorded_decision_is_replayed_whatever_the_value_now(tmp_path):
    decisions = Decisions(tmp_path / "d.jsonl", ASHA, 9, [])
    assert [decisions.stops(0, 1, 0.5), decisions.stops(1, 1, 0.1)] == [False, True]
    again = Decisions(tmp_path / "d.jsonl", ASHA, 9, durable.read_lines(tmp_path / "d.jsonl"))
    assert [again.stops(0, 1, 0.0), again.stops(1, 1, 0.9)] == [False, True]
    assert len(durable.read_lines(tmp_path / "d.jsonl")) == 2


def test_a_decision_is_durable_before_it_is_known(tmp_path):
    decisions = Decisions(tmp_path / "missing" / "d.jsonl", ASHA, 9, [])
    with pytest.raises(durable.StorageError):
        decisions.stops(0, 1, 0.5)
    assert decisions.rungs.seen[1] == []
    assert decisions.taken == {}


def test_without_early_stopping_nothing_is_decided(tmp_path):
    decisions = Decisions(tmp_path / "d.jsonl", {"name": "none"}, 9, [])
    assert not any(decisions.stops(trial, epoch, 0.0) for trial in range(3) for epoch in range(1, 10))
    assert not (tmp_path / "d.jsonl").exists()
