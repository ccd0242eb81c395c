"""Accuracy and confusions of each class: up to SHOWN classes as a whole table, more classes as a summary and a file."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from trainables.cli.progress import one_line

SHOWN = 20  # most classes for which the whole table is shown: one row and one column for each class
WEAKEST, CONFUSED = 10, 10  # numbers of classes and of pairs of classes in a summary
FILE = "classes.csv"
NOTHING = "–"


class Answers(NamedTuple):
    """Test results of each class.

    Attributes:
        classes: their names.
        accuracy: 0 to 1 for each class, None for a class without images.
        matrix: (classes, classes), the confusion matrix; entry i, j counts images of class i that were predicted as class j.
    """

    classes: Sequence[str]
    accuracy: Sequence[float | None]
    matrix: Sequence[Sequence[int]]

    @property
    def images(self) -> list[int]:
        """The number of images of each class."""
        return [sum(row) for row in self.matrix]


def lines(answers: Answers) -> Iterator[str]:
    """The lines for a terminal: the whole table, or a summary for more than SHOWN classes."""
    if len(answers.classes) > SHOWN:
        yield from summary(answers)
        return
    for name, value, row in zip(*answers, strict=True):
        yield f"  {one_line(name):<12} {number(value)}   {' '.join(f'{count:>5}' for count in row)}"


def number(accuracy: float | None) -> str:
    return f"{NOTHING:<6}" if accuracy is None else f"{accuracy:.4f}"


def summary(answers: Answers) -> Iterator[str]:
    """The lines of a summary: the weakest classes and the most frequent confusions."""
    known = sorted((value, place) for place, value in enumerate(answers.accuracy) if value is not None)
    absent = len(answers.classes) - len(known)
    names = [one_line(name) for name in answers.classes]
    yield f"  the weakest of {len(known):,} classes{f' ({absent:,} more have no images)' if absent else ''}:"
    for value, place in known[:WEAKEST]:
        yield f"    {names[place]:<20} {number(value)}  of {answers.images[place]:,} images"
    yield "  most frequent confusions:"
    for count, own, other in confusions(answers.matrix)[:CONFUSED]:
        yield f"    {names[own]:<20} for {names[other]:<20} {count:,} of {answers.images[own]:,}"


def confusions(matrix: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """Triples of a number of images, their class, and the wrong class predicted for them; most images first."""
    pairs = (
        (count, own, other)
        for own, row in enumerate(matrix)
        for other, count in enumerate(row)
        if count and own != other
    )
    return sorted(pairs, key=lambda pair: (-pair[0], *pair[1:]))


def as_csv(answers: Answers) -> bytes:
    """A CSV with one row for each class: name, number of images, accuracy, and its row of the confusion matrix."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", "images", "accuracy", *answers.classes])
    for name, images, accuracy, row in zip(answers.classes, answers.images, *answers[1:], strict=True):
        writer.writerow([name, images, accuracy, *row])
    return text.getvalue().encode("utf-8", "surrogateescape")
