"""Metrics beyond accuracy, held to their definitions: pytest tests/trainables/training/test_metrics.py"""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, top_k_accuracy_score

from trainables.training.metrics import evaluate, top5_accuracy


def logits_for(predicted, classes):
    """Logits whose largest is the predicted class."""
    return np.eye(classes, dtype=np.float32)[np.asarray(predicted)]


def test_an_example_computed_by_hand():
    """Class 0: two of three right. Class 1: one of one, and one taken for it. Class 2: never predicted, never there."""
    found = evaluate(logits_for([0, 0, 1, 1], 3), np.array([0, 0, 0, 1]))
    assert found["count"] == 4
    assert found["accuracy"] == 0.75
    assert found["per_class_accuracy"] == [pytest.approx(2 / 3), 1.0, None]
    assert found["confusion_matrix"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)  # a class without images is in no mean


@st.composite
def answers(draw):
    classes, count = draw(st.integers(2, 8)), draw(st.integers(1, 30))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    return random.normal(size=(count, classes)).astype(np.float32), random.integers(classes, size=count)


@given(answers())
def test_every_fraction_follows_from_the_confusion_matrix(answer):
    logits, labels = answer
    found = evaluate(logits, labels)
    matrix = np.array(found["confusion_matrix"])
    right, there, said = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    assert matrix.sum() == found["count"] == len(labels)
    assert there.tolist() == np.bincount(labels, minlength=logits.shape[1]).tolist()
    assert found["accuracy"] == pytest.approx(right.sum() / len(labels))
    shares = [pytest.approx(one / number) if number else None for one, number in zip(right, there, strict=True)]
    assert found["per_class_accuracy"] == shares
    assert found["macro_f1"] == pytest.approx((2 * right / np.maximum(there + said, 1))[there > 0].mean())
    predicted = logits.argmax(1)
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predicted, labels=np.unique(labels), average="macro"))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@given(answers())
def test_the_top_five_hold_the_label_or_not(answer):
    logits, labels = answer
    best = np.argsort(-logits, axis=1)[:, :5]
    expected = None if logits.shape[1] <= 5 else pytest.approx((best == labels[:, None]).any(axis=1).mean())
    assert top5_accuracy(logits, labels) == expected


def test_all_that_scikit_learn_has_too_is_the_same_number():
    """To the last bit, also where logits are equal."""
    random = np.random.default_rng(0)
    for classes in (*range(2, 12), 100):
        logits = random.normal(size=(50, classes)).astype(np.float32).round()
        labels, names = random.integers(classes, size=50), np.arange(classes)
        found, predicted = evaluate(logits, labels), logits.argmax(1)
        assert found["accuracy"] == accuracy_score(labels, predicted)
        assert found["confusion_matrix"] == confusion_matrix(labels, predicted, labels=names).tolist()
        if classes > 5:
            assert found["top5_accuracy"] == top_k_accuracy_score(labels, logits, k=5, labels=names)
