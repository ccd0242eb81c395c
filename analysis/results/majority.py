"""Compare the best network with a constant answer: always the most common class."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.frame import predictions, valued
from analysis.ranking import best_interval, statistics
from analysis.ranking.standing import Standing
from analysis.render.markdown import chance, cut, percent
from search.run.ledger import Run
from trainables import written
from trainables.data import census
from trainables.training.class_metrics import MEASURES
from trainables.written import plural


class Majority(NamedTuple):
    """The most common class of the validation images, and how a network compares with always answering this class."""

    name: str
    share: float
    p_value: float  # two-sided, adjusted for how many the best was chosen from; 1 where the best is no better
    is_lopsided: bool  # far more than an equal share

    @property
    def is_beaten(self) -> bool:
        return self.p_value <= statistics.LEVEL

    @property
    def matters(self) -> bool:
        """Whether an accuracy of this run should be shown only together with the share of the most common class."""
        return self.is_lopsided or not self.is_beaten


def majority(run: Run, where: Standing) -> Majority | None:
    """Compare the best network of a run with always answering the most common class; None where `beside` gives None."""
    return beside(run, where, where.best)


def beside(run: Run, where: Standing, best: pd.Series | None) -> Majority | None:
    """Compare any network of a run with always answering the most common class, as if it had been chosen as the best.

    None without a network, for an objective other than accuracy, and for a run that did not record how many images each class
    has.

    Args:
        best: the row of the network in `where.trials`.
    """
    counts = run.identity.census.get("counts", {}).get("val")
    if best is None or not counts or not run.identity.objective.is_accuracy:
        return None
    place = int(np.argmax(counts))
    p_value = min(1.0, beaten_by_chance(run, where, best, place, counts) * best_interval.networks(where.trials))
    name = run.identity.classes[place]
    return Majority(name, census.majority(counts), p_value, census.is_lopsided(counts))


def beaten_by_chance(run: Run, where: Standing, best: pd.Series, place: int, counts: Sequence[int]) -> float:
    """p-value of a network against always answering one class, by images or by groups; 1 if it is no better.

    With folds, all networks of the configuration are compared together, each on the images of its fold. The p-value is also 1 if
    predictions that are needed are lost.
    """
    groups = run.identity.groups
    if not run.identity.folds and not groups:
        return compared(best, place, counts[place], sum(counts))
    is_own = where.trials["group"] == best["group"] if run.identity.folds else where.trials["index"] == best["index"]
    found = answers(where.trials[is_own].sort_values("index"), sum(counts))
    if found is None:
        return 1.0
    ahead = found[0].astype(int) - (found[1] == place)
    if not ahead.mean() > 0:
        return 1.0
    if groups:
        return float(statistics.grouped_t(ahead, np.array(groups)))
    return float(statistics.mcnemar((ahead > 0).sum(), (ahead < 0).sum()))


def answers(rows: pd.DataFrame, images: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Which images the networks of some rows got right, and the labels, row after row; None if any are lost."""
    try:
        kept = [predictions.read(folder) for folder in rows["folder"]]
    except ValueError:
        return None
    labels = [each.labels for each in kept if each.labels is not None]
    if (
        len(labels) < len(kept)
        or sum(map(len, labels)) != images
        or [each.epoch for each in kept] != list(rows["best_epoch"])
    ):
        return None
    return np.concatenate([each.correct for each in kept]), np.concatenate(labels)


def compared(best: pd.Series, place: int, there: int, images: int) -> float:
    """p-value of McNemar's exact test of a network against always answering one class; 1 if the network is no better.

    Among the images of this class, both are right where the network is right, and the constant answer alone is right about the
    rest. Without the network's predictions, the p-value is the largest that the two counts allow.

    Args:
        best: index, folder, best epoch and value of the network.
        place: the index of the class.
        there: how many validation images are of this class.
        images: how many validation images there are.
    """
    right = round(valued.value(best) * images)
    if right <= there:
        return 1.0
    known = known_of_class(best, place, right, images)
    if known is None:
        return float(statistics.largest_mcnemar(np.array(right), np.array(there), images))
    return float(statistics.mcnemar(np.array(right - known), np.array(there - known)))


def known_of_class(best: pd.Series, place: int, right: int, images: int) -> int | None:
    """How many images of a class the network is right about; None if its predictions are lost or of another epoch."""
    try:
        found = predictions.read(best["folder"])
    except ValueError:
        return None
    if found.epoch != best["best_epoch"] or len(found.correct) != images or int(found.correct.sum()) != right:
        return None
    return int((found.correct & (found.predicted == place)).sum())


def sentence(run: Run, where: Standing) -> str:
    """What always answering the most common class reaches; empty where the value of the winner may stand alone."""
    if not run.identity.objective.is_accuracy:
        return by_metric(run, where)
    found = majority(run, where)
    if found is None or not found.matters:
        return ""
    if found.share == 1:
        return alone(found)
    among = plural(best_interval.networks(where.trials), "network")
    which = "the search's best network" if where.is_confirmed else "the best network"
    chosen = "" if among == "1 network" else f" (its choice from {among} allowed for)"
    beaten = "" if found.is_beaten else f", and {which} is not shown to do better{chosen}"
    right = f"is right about {percent(found.share)} % of these images{beaten}."
    return f"Always saying the most common class, {cut(found.name)}, {right}"


def by_metric(run: Run, where: Standing) -> str:
    """What always answering the most common class reaches by another metric; empty unless classes are lopsided."""
    counts, objective = np.array(run.identity.census.get("counts", {}).get("val", [])), run.identity.objective
    if (
        where.best is None
        or objective.column not in MEASURES
        or not len(counts)
        or not census.is_lopsided(counts.tolist())
    ):
        return ""
    is_said = np.arange(len(counts)) == int(np.argmax(counts))
    value = float(MEASURES[objective.column](counts * is_said, counts, counts.sum() * is_said))
    name = run.identity.classes[int(np.argmax(counts))]
    reached = f"a {written.name(objective)} of {written.value(objective, value)}"
    return f"Always saying the most common class, {cut(name)}, has {reached}."


def check(run: Run, where: Standing) -> tuple[bool, str] | None:
    """Whether the best network is shown to beat always answering the most common class, in one line.

    None if the network clearly does and the class sizes are not lopsided, and None where `majority` gives None.
    """
    found = majority(run, where)
    if found is None or not found.matters:
        return None
    if found.share == 1:
        return False, f"{alone(found)} Add some of the others."
    constant = f"the {percent(found.share)} % of always saying {cut(found.name)}"
    number = plural(best_interval.networks(where.trials), "network")
    among = f"adjusted for its choice from {number}: each epoch of each trial is one"
    if found.is_beaten:
        return True, f"The best is above {constant} by more than chance ({among})."
    return False, (
        f"The best is not shown to be above {constant}, the most common class (p {chance(found.p_value)}, {among}): "
        "its accuracy may say nothing. Look at the accuracy of each class."
    )


def alone(found: Majority) -> str:
    """The sentence for validation images that are all of one class."""
    return f"All validation images are of one class, {cut(found.name)}: no accuracy on them says anything."
