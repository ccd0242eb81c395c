"""What is told of each class: all of few, a summary and a file of many: pytest tests/trainables/trial/test_per_class.py"""

import csv
import io

import numpy as np
import pytest

from trainables.training.metrics import evaluate
from trainables.trial import per_class
from trainables.trial.per_class import Answers


def answers(classes, images=3, absent=()):
    """Of a network that is right about two of three images, and takes each third one for the next class."""
    labels = np.repeat([number for number in range(classes) if number not in absent], images)
    predicted = np.where(np.arange(len(labels)) % 3 == 2, (labels + 1) % classes, labels)
    found = evaluate(np.eye(classes, dtype=np.float32)[predicted], labels)
    return Answers(
        [f"class {number}" for number in range(classes)], found["per_class_accuracy"], found["confusion_matrix"]
    )


@pytest.mark.parametrize("classes", [2, 20])
def test_of_few_classes_each_has_a_line_with_all_its_counts(classes):
    found = list(per_class.lines(answers(classes)))
    assert len(found) == classes
    assert found[0].split()[:3] == ["class", "0", "0.6667"]
    assert all(len(line.split()) == 3 + classes for line in found)


@pytest.mark.parametrize("classes", [21, 1200])
def test_of_many_a_summary_is_shown_whose_length_does_not_grow(classes):
    found = "\n".join(per_class.lines(answers(classes)))
    assert len(found) < 2000
    assert f"the weakest of {classes:,} classes:" in found
    assert found.count("\n") == 1 + per_class.WEAKEST + per_class.CONFUSED


def test_the_file_holds_every_class_and_every_count():
    rows = list(csv.reader(io.StringIO(per_class.as_csv(answers(1200)).decode())))
    assert len(rows) == 1201
    assert all(len(row) == 1203 for row in rows)
    assert rows[1][:5] == ["class 0", "3", str(2 / 3), "2", "1"]


@pytest.mark.parametrize("classes", [5, 40])
def test_a_class_without_images_has_no_accuracy(classes):
    found = answers(classes, absent=(3,))
    assert found.accuracy[3] is None
    text = "\n".join(per_class.lines(found))
    assert "0.0000" not in text
    assert ("class 3      –" in text) == (classes == 5)
    assert ("39 classes (1 more have no images)" in text) == (classes == 40)
    assert per_class.as_csv(found).decode().splitlines()[4].startswith("class 3,0,,0,")


def test_the_weakest_come_first_and_so_do_the_most_frequent_confusions():
    labels = np.repeat(np.arange(30), 4)
    predicted = labels.copy()
    predicted[labels == 7] = 9
    predicted[:2] = 1
    found = evaluate(np.eye(30, dtype=np.float32)[predicted], labels)
    whole = Answers([f"class {number}" for number in range(30)], found["per_class_accuracy"], found["confusion_matrix"])
    text = list(per_class.lines(whole))
    assert text[1].split() == ["class", "7", "0.0000", "of", "4", "images"]
    assert text[-2].split() == ["class", "7", "for", "class", "9", "4", "of", "4"]
    assert text[-1].split() == ["class", "0", "for", "class", "1", "2", "of", "4"]
