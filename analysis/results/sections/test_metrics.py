"""The scores of the winner on the test split, which has no part in the choice of the winner."""

from typing import Any

import numpy as np

from analysis.frame import valued
from analysis.ranking import statistics
from analysis.ranking.standing import Standing
from analysis.ranking.test_scores import OWN_METRIC, evaluation, reads
from analysis.render.blocks import Block, Blocks, Details, Foreign, Heading, Table, Words, join, paragraphs
from analysis.render.markdown import NOTHING, interval, percent
from analysis.results.sections.leaderboard import identifier
from search.run.confirmation import SOURCE, is_complete
from search.run.ledger import Run
from trainables import written
from trainables.data import census
from trainables.objective import MACRO_F1, Objective
from trainables.training.class_metrics import MEASURES
from trainables.written import count, plural

NO_TEST = (
    "There are no test images, so the winner has no test score. Its value on the validation images is optimistically biased, "
    "because it was chosen by that."
)
FEW = 10  # classes up to which the table by class stands open


def winner_on_test(run: Run, where: Standing) -> Blocks:
    """Accuracy with its interval, top-5, macro F1 and the accuracy of each class."""
    best = where.best
    if best is None or not run.identity.has_images:
        return ()
    if not run.identity.sizes["test"]:
        return Heading("The winner on the test split"), *paragraphs(NO_TEST)
    metrics = evaluation(run, int(best["index"]), int(best["best_epoch"]))
    heading, read = Heading("The winner on the test split"), f"The test split was read {plural(reads(run), 'time')}."
    if metrics is None:
        when = (
            "run the command again to have it done, if its weights were kept"
            if is_complete(run)
            else "that is done when every trial has ended"
        )
        return heading, *paragraphs(f"Not evaluated: {when}. {read}")
    tested = paragraphs(("Tested: ", network(run, where), f". {read}"))
    return (
        heading,
        overall(metrics, valued.own(best), has_groups(run)),
        *tested,
        by_class(metrics, run.identity.classes),
    )


def network(run: Run, where: Standing) -> Words:
    """The network that was tested for the winner, and its value on validation.

    The value of the winner may be a mean over several networks. Only one of them is kept and tested.
    """
    best = where.best
    assert best is not None, "there is a winner"
    which = join(", ", ["one network", choice(run, where, best["source"] == SOURCE)])
    value = written.value(valued.own(best), valued.value(best))
    named = "" if valued.own(best).is_accuracy else f"{written.name(valued.own(best))} "
    return which, " (", identifier(best.to_dict()), f", {named}{value} on validation)"


def choice(run: Run, where: Standing, is_fresh: bool) -> str:
    """How the tested network was chosen among those of the winner; empty if there is only one."""
    if run.identity.folds:
        return f"that of its first {'fresh ' if is_fresh else ''}fold"
    if is_fresh:
        return "the best on validation of its fresh seeds" if run.totals.confirm_seeds > 1 else "of its fresh seed"
    if run.totals.seeds == 1:
        return "the search's own and none of the fresh seeds" if where.is_confirmed else ""
    return (
        f"the best on validation of its seeds{' in the search, none of the fresh ones' if where.is_confirmed else ''}"
    )


def has_groups(run: Run) -> bool:
    """Whether the test images come in groups, so that they are not independent."""
    return bool(run.identity.census.get("groups", {}).get("test"))


def overall(metrics: dict[str, Any], objective: Objective, in_groups: bool = False) -> Table:
    """A table of the metrics over all classes."""
    images = metrics["count"]
    low, high = statistics.wilson(np.array([round(metrics["accuracy"] * images)]), images)
    known = "no interval, as the images come in groups" if in_groups else f"95 % interval {interval(low[0], high[0])} %"
    rows = [("accuracy", f"{percent(metrics['accuracy'])} % ({known})")]
    if OWN_METRIC in metrics:
        own = metrics[OWN_METRIC]
        rows.append((written.name(objective), own if isinstance(own, str) else written.number(objective, own)))
    if metrics.get("top5_accuracy") is not None:
        rows.append(("top-5 accuracy", f"{percent(metrics['top5_accuracy'])} %"))
    counts = images_of(metrics)
    if census.is_lopsided(counts):
        rows.append(("always the most common class of the test split", f"{percent(census.majority(counts))} %"))
    if "balanced_accuracy" in metrics:
        rows.append(("balanced accuracy", f"{percent(metrics['balanced_accuracy'])} %"))
    rows += [("macro F1", macro_f1(metrics, counts)), ("images", count(images))]
    return Table(("metric", "value"), tuple(rows), "lr")


def images_of(metrics: dict[str, Any]) -> list[int]:
    """How many images each class has."""
    return [sum(row) for row in metrics["confusion_matrix"]]


def macro_f1(metrics: dict[str, Any], counts: list[int]) -> str:
    """The recorded macro F1. If a class has no images: that over the other classes, which early runs did not record."""
    absent = counts.count(0)
    if not absent:
        return f"{metrics['macro_f1']:.4f}"
    matrix = np.array(metrics["confusion_matrix"])
    value = MEASURES[MACRO_F1.column](matrix.diagonal(), matrix.sum(1), matrix.sum(0))
    return (
        f"{value:.4f} (over {count(len(counts) - absent)} of {count(len(counts))} classes: the others have no images)"
    )


def by_class(metrics: dict[str, Any], classes: list[str]) -> Block:
    """A table of the accuracy of each class; a class without images has no accuracy."""
    images = images_of(metrics)
    rows = [
        (Foreign(name), count(number), percent(accuracy) if number else NOTHING)
        for name, number, accuracy in zip(classes, images, metrics["per_class_accuracy"], strict=True)
    ]
    body = Table(("class", "images", "accuracy %"), tuple(rows), "lrr")
    return body if len(classes) <= FEW else Details(f"Accuracy of each of {len(classes)} classes", (body,))
