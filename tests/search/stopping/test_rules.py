"""What is special about each rule, held to Ray's and numpy's: pytest tests/search/stopping/test_rules.py"""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.run.decisions import Decisions
from search.stopping import asha, median
from search.stopping.asha import cutoff
from search.stopping.base import milestones
from search.stopping.ideal import ideal_epochs
from search.stopping.rules import decisive, is_audited, rule
from trainables.errors import StorageError
from trainables.files import durable
from trainables.objective import ACCURACY

ASHA = {"name": "asha", "grace_period": 1, "reduction_factor": 3}
streams = st.lists(st.lists(st.floats(0, 1), min_size=9, max_size=9), min_size=1, max_size=12)  # curves of 9 epochs


@pytest.mark.parametrize(
    ("grace", "factor", "epochs", "expected"),
    [(1, 3, 10, [1, 3, 9]), (1, 3, 9, [1, 3]), (2, 2, 12, [2, 4, 8]), (1, 4, 20, [1, 4, 16]), (5, 3, 4, [])],
)
def test_rungs_grow_by_the_reduction_factor_and_end_before_the_last_epoch(grace, factor, epochs, expected):
    assert milestones(grace, factor, epochs) == expected


def test_the_first_to_arrive_goes_on_and_a_worse_second_stops():
    assert asha.RULE.judge(ASHA, [], [0.1]) == (False, None)
    assert asha.RULE.judge(ASHA, [0.5], [0.4]) == (True, 0.5)
    assert asha.RULE.judge(ASHA, [0.5], [0.5]) == (False, 0.5)


def test_the_cutoff_is_the_quantile_above_which_one_in_factor_lies():
    assert cutoff([0.0, 0.1, 0.2, 0.3], 4) == pytest.approx(0.225)


accuracies = st.lists(st.floats(0, 1) | st.integers(0, 5_000).map(lambda hits: hits / 5_000), min_size=1, max_size=60)


@given(accuracies.map(sorted), st.integers(2, 10))
def test_the_cutoff_is_numpys_percentile_to_the_last_bit(ordered, factor):
    assert cutoff(ordered, factor) == np.percentile(ordered, (1 - 1 / factor) * 100)


@given(accuracies.map(sorted).filter(lambda values: len(values) >= 3), st.floats(0, 1))
def test_the_median_is_numpys(ordered, best):
    assert median.RULE.judge({}, ordered, [best]) == (best < np.median(ordered), np.median(ordered))


def test_of_ten_thousand_values_only_the_two_beside_the_cutoff_are_read():
    class Counted(list):
        read = 0

        def __getitem__(self, place):
            self.read += 1
            return super().__getitem__(place)

    ordered = Counted(place / 10_000 for place in range(10_000))
    cutoff(ordered, 3)
    median.RULE.judge({}, ordered, [0.5])
    assert ordered.read == 4


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
    ours = Decisions(path, ASHA, 9, [], ACCURACY)
    assert play(ours.stops, curves, order) == play(ray_stops, curves, order)


@given(streams, st.data())
def test_our_median_decisions_are_those_of_ray(tmp_path_factory, curves, data):
    from ray.tune.experiment import Trial
    from ray.tune.schedulers import MedianStoppingRule, TrialScheduler

    order = data.draw(st.permutations([trial for trial in range(len(curves)) for _ in range(9)]))
    theirs = MedianStoppingRule(time_attr="epoch", metric="value", mode="max", grace_period=1, min_samples_required=3)
    trials = [Trial("none", stub=True) for _ in curves]
    nobody_waits = SimpleNamespace(get_live_trials=list)

    def ray_stops(index, epoch, value):
        result = {"epoch": epoch, "value": value}
        return theirs.on_trial_result(nobody_waits, trials[index], result) == TrialScheduler.STOP

    ours = Decisions(tmp_path_factory.mktemp("median") / "decisions.jsonl", rule("median"), 9, [], ACCURACY)
    assert play(ours.stops, curves, order) == play(ray_stops, curves, order)


def test_median_counts_from_the_grace_period_on_and_needs_three_others(tmp_path):
    decisions = Decisions(tmp_path / "d.jsonl", rule("median", 2), 9, [], ACCURACY)
    assert [decisions.stops(trial, 1, value) for trial, value in enumerate((0.9, 0.1, 0.1, 0.1))] == [False] * 4
    assert [decisions.stops(trial, 2, value) for trial, value in enumerate((0.5, 0.6, 0.1))] == [False] * 3
    assert decisions.stops(3, 2, 0.4)
    assert durable.read_lines(tmp_path / "d.jsonl")[-1]["cutoff"] == 0.5
    assert not decisions.stops(4, 2, 0.7)
    assert [decisions.stops(trial, 3, 0.2) for trial in (0, 1, 4)] == [False] * 3, "fewer than three others were there"
    assert not decisions.stops(5, 3, 0.4), "median of the averages 0.35, 0.4 and 0.45"
    assert decisions.stops(6, 3, 0.39)


def test_a_tenth_is_audited_and_which_does_not_depend_on_the_number_of_trials():
    drawn = [is_audited(rule("asha", audit=0.1), 0, trial) for trial in range(10_000)]
    assert 900 < sum(drawn) < 1100
    assert not any(is_audited(rule("asha"), 0, trial) for trial in range(100))
    assert all(is_audited(rule("asha", audit=1.0), 0, trial) for trial in range(100))


def test_trials_that_confirm_are_never_decided_about(tmp_path):
    decisions = Decisions(tmp_path / "d.jsonl", ASHA, 9, [], ACCURACY, exempt={1})
    assert [decisions.stops(0, 1, 0.9), decisions.stops(1, 1, 0.0), decisions.stops(2, 1, 0.8)] == [False, False, True]
    assert [line["trial"] for line in durable.read_lines(tmp_path / "d.jsonl")] == [0, 2]


@pytest.mark.parametrize(
    ("name", "trials", "expected"),
    [("asha", 27, 81), ("sha", 27, 81), ("epochs:3", 27, 27 * 3 + 9 * 24), ("none", 27, 729), ("median", 27, 729),
     ("epochs:30", 27, 729), ("sha", 1, 27)],
)  # fmt: skip
def test_the_ideal_number_of_epochs(name, trials, expected):
    assert ideal_epochs(rule(name), trials, 27) == expected


def test_an_audited_share_is_part_of_the_ideal_number():
    assert ideal_epochs(rule("sha", audit=0.5), 27, 27) == 81 + (729 - 81) // 2


def test_a_rule_has_the_settings_that_it_reads():
    assert rule("epochs:4", 9, 5) == {
        "name": "epochs", "grace_period": 4, "reduction_factor": 5, "budget": 4, "version": 3
    }  # fmt: skip
    assert rule("median", 9, 5) == {"name": "median", "grace_period": 9, "reduction_factor": 2}
    assert rule("none", 9, 5, 0.5) == {"name": "none"}
    assert [list(decisive(rule(name, 2), 9)) for name in ("median", "epochs:3", "epochs:9", "none")] == [
        [2, 3, 4, 5, 6, 7, 8], [3], [], []
    ]  # fmt: skip


def test_a_recorded_decision_is_replayed_whatever_the_value_now(tmp_path):
    decisions = Decisions(tmp_path / "d.jsonl", ASHA, 9, [], ACCURACY)
    assert [decisions.stops(0, 1, 0.5), decisions.stops(1, 1, 0.1)] == [False, True]
    again = Decisions(tmp_path / "d.jsonl", ASHA, 9, durable.read_lines(tmp_path / "d.jsonl"), ACCURACY)
    assert [again.stops(0, 1, 0.0), again.stops(1, 1, 0.9)] == [False, True]
    assert len(durable.read_lines(tmp_path / "d.jsonl")) == 2


def test_a_decision_is_durable_before_it_is_known(tmp_path):
    decisions = Decisions(tmp_path / "missing" / "d.jsonl", ASHA, 9, [], ACCURACY)
    with pytest.raises(StorageError):
        decisions.stops(0, 1, 0.5)
    assert decisions.rungs.seen[1] == []
    assert decisions.taken == {}


def test_without_early_stopping_nothing_is_decided(tmp_path):
    decisions = Decisions(tmp_path / "d.jsonl", {"name": "none"}, 9, [], ACCURACY)
    assert not any(decisions.stops(trial, epoch, 0.0) for trial in range(3) for epoch in range(1, 10))
    assert not (tmp_path / "d.jsonl").exists()
