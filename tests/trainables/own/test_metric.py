"""A metric of the user's own as an objective: pytest tests/trainables/own/test_metric.py"""

import sys

import numpy as np
import pytest

from trainables.errors import RunError, SpaceError
from trainables.objective import ACCURACY, Objective
from trainables.own import metric
from trainables.training import own_metrics

METRICS = """
import numpy as np


def kappa(labels, predicted):
    '''Better than chance.'''
    return float(np.mean(labels == predicted)) ** 2


def cost(labels, predicted, of_one: float = 2.0):
    return of_one * int((labels != predicted).sum())


cost.mode = "min"


class Counted:
    mode = "min"

    def __call__(self, labels, predicted):
        return np.count_nonzero(labels != predicted)


def lower(labels, predicted):
    return 1.0


lower.mode = "lower"


def accuracy(labels, predicted):
    return 1.0


def sorting(labels, predicted):
    labels.sort()
    predicted[:] = 0
    return 1.0


def a_file_is_missing(labels, predicted):
    return open("no_such_file").read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "metrics_of_mine.py").write_text(METRICS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "metrics_of_mine", raising=False)
    return tmp_path


def of(name):
    return f"metrics_of_mine.py:{name}"


@pytest.mark.parametrize(("name", "mode"), [("kappa", "max"), ("cost", "min"), ("Counted", "min")])
def test_larger_is_better_unless_it_says_otherwise(name, mode, folder):
    found = metric.objective(of(name), folder)
    assert (found.column, found.mode, found.form, found.metric) == (f"val_{name}", mode, "decimals", of(name))
    assert Objective.read(found.record(), "run.json") == found


def test_of_a_library_it_is_a_function_of_labels_and_predictions(folder):
    found = metric.objective("sklearn.metrics:cohen_kappa_score", folder)
    assert (found.column, found.source) == ("val_cohen_kappa_score", "sklearn.metrics:cohen_kappa_score")
    labels = np.array([0, 0, 1, 1])
    assert own_metrics.measure(found.source, labels, np.array([0, 0, 1, 0])) == 0.5


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (of("lower"), r"its mode is 'lower'. Write \"max\" where larger is better, else \"min\""),
        (of("accuracy"), "val_accuracy is the column of a built-in metric. Rename the function"),
        (of("kapa"), "has no function or class 'kapa'. Did you mean 'kappa'"),
        ("metrics_of_min.py:kappa", "has no metrics_of_min.py. Did you mean 'metrics_of_mine.py'"),
    ],
)
def test_what_can_be_no_objective_is_refused(text, what, folder):
    with pytest.raises(SpaceError, match=what):
        metric.objective(text, folder)


def test_its_digest_is_of_what_it_does(folder):
    before = metric.objective(of("kappa"), folder)
    changed = METRICS.replace("** 2", "** 3").replace("of_one * int", "of_one * abs")
    digests = [each.digest for each in (before, again(folder, METRICS.replace("Better", "Much better")))]
    assert digests[0] == digests[1] != again(folder, changed).digest


def again(folder, text):
    """The objective once the file was changed."""
    import linecache

    (folder / "metrics_of_mine.py").write_text(text)
    linecache.clearcache()
    del sys.modules["metrics_of_mine"]
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        return metric.objective(of("kappa"), folder)
    finally:
        sys.dont_write_bytecode = before


def test_a_record_without_a_metric_of_the_users_is_as_it_was():
    assert ACCURACY.record() == {"column": "val_accuracy", "mode": "max", "form": "percent"}
    with pytest.raises(RunError):
        Objective.read({**ACCURACY.record(), "source": 3, "digest": ""}, "run.json")


def test_what_it_writes_into_its_arrays_is_lost():
    labels, predicted = np.array([2, 1, 0]), np.array([2, 2, 2])
    assert own_metrics.measure(of("sorting"), labels, predicted) == 1.0
    assert (labels.tolist(), predicted.tolist()) == ([2, 1, 0], [2, 2, 2])


def test_a_file_that_it_misses_is_no_fault_of_the_machine():
    with pytest.raises(own_metrics.MetricError, match="fails: FileNotFoundError"):
        own_metrics.measure(of("a_file_is_missing"), np.zeros(2, int), np.zeros(2, int))


def test_a_count_of_numpy_is_a_number():
    found = own_metrics.measure(of("Counted"), np.array([0, 1, 1]), np.array([0, 0, 1]))
    assert (found, type(found)) == (1.0, float)
