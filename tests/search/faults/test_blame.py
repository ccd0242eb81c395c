"""Who is to blame for dead workers: pytest tests/search/faults/test_blame.py"""

import pytest

from search.faults.blame import Budgets


def verdicts(budgets, trial, *causes):
    return [budgets.died(trial, cause) for cause in causes]


def test_a_worker_may_die_again_and_again_as_long_as_its_trial_gets_further():
    budgets = Budgets()
    for _ in range(20):
        assert verdicts(budgets, 0, "died") == ["again"]
        budgets.progressed(0)
    assert budgets.aside == set()


def test_after_two_deaths_at_one_epoch_a_trial_runs_alone_and_after_two_more_it_has_failed():
    budgets = Budgets()
    budgets.progressed(1)
    assert verdicts(budgets, 0, "died", "died") == ["again", "again"]
    assert budgets.aside == {0}
    assert verdicts(budgets, 0, "died", "died") == ["again", "failed"]


@pytest.mark.parametrize("cause", ["died", "silent"])
def test_if_no_other_trial_trained_it_may_be_the_machine(cause):
    budgets = Budgets()
    budgets.progressed(0)
    assert verdicts(budgets, 0, *[cause] * 4) == ["again", "again", "again", "machine"]


def test_memory_is_taken_from_a_trial_once_beside_others_and_once_alone():
    budgets = Budgets()
    assert verdicts(budgets, 0, "memory", "memory") == ["again", "failed"]
    assert verdicts(budgets, 1, "memory") == ["again"]
    assert budgets.aside == {0, 1}


def test_a_trial_that_ran_short_of_memory_beside_others_may_end_alone():
    budgets = Budgets()
    assert verdicts(budgets, 0, "memory") == ["again"]
    budgets.progressed(0)
    assert verdicts(budgets, 0, "died") == ["again"]


def test_a_hung_trial_has_failed_the_second_time_without_waiting_for_the_others():
    budgets = Budgets()
    budgets.progressed(1)
    assert verdicts(budgets, 0, "silent", "silent") == ["again", "failed"]


def test_a_worker_that_dies_before_it_trains_is_never_the_configurations_fault():
    budgets = Budgets()
    budgets.progressed(1)
    assert verdicts(budgets, 0, *["unstarted"] * 6) == [*["again"] * 5, "machine"]


def test_a_worker_that_dies_before_it_trains_is_no_evidence_for_one_that_dies_later():
    budgets = Budgets()
    budgets.progressed(1)
    assert verdicts(budgets, 0, "died", "died", "unstarted", "died") == ["again"] * 4
    assert verdicts(budgets, 0, "died") == ["failed"]


def test_a_folder_that_another_process_holds_is_never_the_configurations_fault():
    budgets = Budgets()
    budgets.progressed(1)
    assert verdicts(budgets, 0, *["busy"] * 4) == ["again", "again", "again", "machine"]
