"""What a search may be asked: pytest tests/search/test_settings.py"""

import pytest

from search.run.identity import scheduler
from search.settings import duration
from trainables.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("45s", 45), ("1h30m", 5400), ("0.5h", 1800), ("1h1m1s", 3661)]
)
def test_a_time_budget_is_hours_minutes_and_seconds(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "0h0m", "-5m", "5", "2020-01-01", "1m1h", "h", "nan", "1e9h", "9" * 400 + "h"]
)
def test_a_time_budget_of_nothing_or_in_the_past_is_refused(text):
    with pytest.raises(UsageError, match="--time-budget must be a time such as 2h"):
        duration(text)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"scheduler": "epochs:0"}, "epochs:K"),
        ({"scheduler": "epochs:"}, "epochs:K"),
        ({"scheduler": "epochs:K"}, "epochs:3"),
        ({"scheduler": "epochs:-1"}, "epochs:K"),
        ({"scheduler": "mediam"}, "'median'"),
        ({"audit": 1.5}, "fraction from 0 to 1"),
        ({"audit": float("nan")}, "fraction from 0 to 1"),
        ({"audit": 0.1, "scheduler": "none"}, "--scheduler asha"),
        ({"seeds": 0}, "--seeds must be at least 1"),
        ({"grace_period": 0}, "--grace-period must be at least 1"),
        ({"grace_period": -3}, "--grace-period must be at least 1"),
        ({"reduction_factor": 1}, "--reduction-factor must be at least 2"),
        ({"reduction_factor": -2}, "--reduction-factor must be at least 2"),
        ({"max_concurrent": 0}, "--max-concurrent must be at least 1"),
        ({"cpus_per_trial": 0}, "--cpus-per-trial must be at least 1"),
        ({"epoch_timeout": -1}, "--epoch-timeout must be at least 1"),
        ({"gpus_per_trial": 2.0}, r"--gpus-per-trial must be auto or from 0 to 1.*, but got 2\."),
        ({"gpus_per_trial": 1.5}, "--gpus-per-trial must be auto or from 0 to 1"),
        ({"gpus_per_trial": float("inf")}, "--gpus-per-trial must be auto or from 0 to 1"),
        ({"num_samples": 0}, "--num-samples must be at least 1"),
        ({"epochs": -1}, "--epochs must be at least 1"),
        ({"confirm": -1}, "--confirm must be at least 0"),
        ({"confirm": 1, "confirm_seeds": 0}, "--confirm-seeds must be at least 1"),
    ],
)
def test_what_no_search_could_do_is_refused(settings, wrong, hint):
    with pytest.raises(UsageError, match=hint):
        settings(**wrong)


def test_the_rule_stands_in_the_identity_with_its_audit(settings):
    assert scheduler(settings(scheduler="epochs:3", audit=0.1)) == {
        "name": "epochs", "grace_period": 3, "reduction_factor": 3, "budget": 3, "audit": 0.1, "version": 3
    }  # fmt: skip
