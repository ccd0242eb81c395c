"""The best configuration of a run, for comparisons between runs: its value, the seeds of this value, and tests."""

from dataclasses import dataclass

import numpy as np

from analysis.frame import valued
from analysis.ranking import pairing, statistics
from analysis.ranking.standing import Standing, stand
from search.run.ledger import Run, Trial
from trainables.config import key_of
from trainables.files.durable import Record


@dataclass(frozen=True)
class Winner:
    """The best configuration of a run.

    Attributes:
        run: the run in which the configuration was found.
        trial: the trial whose weights stand for the configuration.
        value: of the objective: the mean over the fresh seeds if the configuration was confirmed, else over the seeds of the
            search.
        low, high: the ends of the 95 % interval of `value`; None where the interval is not known.
        seeds: the value on each seed that `value` is the mean of.
        is_confirmed: whether `seeds` are fresh seeds.
    """

    run: Run
    trial: Trial
    value: float
    low: float | None
    high: float | None
    seeds: dict[int, float]
    is_confirmed: bool

    @property
    def config(self) -> Record:
        """The configuration without its number of epochs."""
        return self.trial.configuration

    @property
    def key(self) -> str:
        """A text that is equal for two winners with the same configuration.

        Hyperparameters that do nothing have no part in this text.
        """
        return key_of(self.trial.config)


def winner(run: Run) -> Winner | None:
    """The best configuration of a run; None if no configuration has finished."""
    where = stand(run)
    best = where.best
    if best is None:
        return None
    trial = next(trial for trial in run.trials if trial.index == where.winner)
    is_confirmed = where.is_confirmed
    row = (where.confirmed if is_confirmed else where.board).iloc[0]
    low, high = (None if np.isnan(row[key]) else float(row[key]) for key in ("low", "high"))
    return Winner(run, trial, float(valued.value(row)), low, high, seeds_of(where, best["group"]), is_confirmed)


def seeds_of(where: Standing, group: str) -> dict[int, float]:
    """The value of a configuration on each seed: on fresh seeds if these choose the winner, else on the search's."""
    rows = where.fresh if where.is_confirmed else where.trials
    own = rows[rows["group"] == group]
    return dict(zip(own["seed"], valued.values(own), strict=True))


def chance(first: Winner, other: Winner) -> tuple[float, str] | None:
    """The p-value of the difference between two winners, and the name of its test; None if no test can be made.

    Two unconfirmed winners of one seed each are compared on the validation images, see `on_images`. Any other two winners are
    compared by a paired t-test over the seeds. They need the same seeds, at least two, and the same number of folds.
    """
    if not first.is_confirmed and not other.is_confirmed and len(first.seeds) == len(other.seeds) == 1:
        return on_images(first, other)
    is_alike = first.seeds.keys() == other.seeds.keys() and first.run.identity.folds == other.run.identity.folds
    if len(first.seeds) < 2 or not is_alike:
        return None
    differences = np.array([first.seeds[seed] - other.seeds[seed] for seed in sorted(first.seeds)])
    least = statistics.step(np.array([*first.seeds.values(), *other.seeds.values()]))
    identity = first.run.identity
    wide = statistics.of_folds(len(differences), identity.folds)
    return float(statistics.paired_t(differences, least, wide)), f"paired over {len(differences)} {identity.repeat}s"


def on_images(first: Winner, other: Winner) -> tuple[float, str] | None:
    """Compare two trained networks on the same validation images; None if the needed predictions are not kept.

    Accuracies are compared image by image, or by their counts alone if predictions are not kept. Images or groups of
    images are drawn again if the images come in groups, or if the objective is another metric of classes.
    """
    one, two = first.trial, other.trial
    assert one.best and two.best, "winners have epochs"
    identity, sides = first.run.identity, ((one.folder, one.best), (two.folder, two.best))
    of_networks = "of these two trained networks"
    if identity.groups or not identity.objective.is_accuracy:
        p_value = pairing.drawn_again(*sides, identity.val_images, identity.objective, identity.groups)
        units = "groups of images" if identity.groups else "images"
        return None if p_value is None else (p_value, f"paired, by drawing the same {units} again, {of_networks}")
    p_value, is_paired = pairing.p_value(*sides, identity.val_images)
    return p_value, f"{'paired on the same images' if is_paired else 'unpaired'}, {of_networks}"
