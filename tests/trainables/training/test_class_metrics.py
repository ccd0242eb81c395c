"""Metrics of classes are those of scikit-learn: pytest tests/trainables/training/test_class_metrics.py"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from trainables.config import complete
from trainables.errors import UsageError
from trainables.objective import ACCURACY, BALANCED_ACCURACY, LOSS, MACRO_F1, METRICS, Objective, named
from trainables.training.class_metrics import MEASURES, measure
from trainables.training.definition import Training
from trainables.training.loop import train

answers = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(answers)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label was found")
def test_they_are_those_of_scikit_learn_over_the_classes_that_have_images(drawn):
    labels, predicted = (np.array(part) for part in zip(*drawn, strict=True))
    there = np.unique(labels)
    assert measure(ACCURACY.column, labels, predicted, 5) == pytest.approx((labels == predicted).mean())
    assert measure(BALANCED_ACCURACY.column, labels, predicted, 5) == pytest.approx(
        balanced_accuracy_score(labels, predicted)
    )
    assert measure(MACRO_F1.column, labels, predicted, 5) == pytest.approx(
        f1_score(labels, predicted, labels=there, average="macro", zero_division=0)
    )


def test_always_saying_the_most_common_class_has_half_the_balanced_accuracy_of_two():
    labels = np.array([0] * 50 + [1])
    assert measure(BALANCED_ACCURACY.column, labels, np.zeros(51, int), 2) == 0.5
    assert measure(ACCURACY.column, labels, np.zeros(51, int), 2) == pytest.approx(50 / 51)


@pytest.mark.parametrize("objective", METRICS.values())
def test_a_row_has_the_column_of_its_objective_and_of_accuracy_and_loss_as_ever(toy, objective):
    config = complete({"model": "mlp", "width": 8, "depth": 1, "schedule": "constant", "epochs": 1})
    training = Training(config, toy, seed=0, device="cpu", precision="fp32", objective=objective)
    (epoch,) = train(training)
    (plain,) = train(replace(training, objective=ACCURACY))
    assert epoch.metrics.keys() - plain.metrics.keys() == {objective.column} - {"val_accuracy", "val_loss"}
    assert {key: epoch.metrics[key] for key in plain.metrics} == plain.metrics
    assert epoch.best.value == epoch.metrics[objective.column]
    assert objective.are_sound([epoch.best.value])


def test_every_metric_has_its_name_and_its_direction():
    assert {name: (each.metric, each.mode) for name, each in METRICS.items()} == {
        "accuracy": ("accuracy", "max"), "balanced_accuracy": ("balanced_accuracy", "max"), "macro_f1": ("macro_f1", "max"),
        "loss": ("loss", "min"),
    }  # fmt: skip
    assert {objective.column for objective in METRICS.values()} - {LOSS.column} == set(MEASURES)
    assert Objective.read(MACRO_F1.record(), "x") == MACRO_F1


def test_an_unknown_metric_is_refused_with_the_closest():
    with pytest.raises(UsageError, match=r"^unknown metric 'macro_F1'\. Did you mean 'macro_f1'"):
        named("macro_F1")
