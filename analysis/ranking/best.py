"""The best configuration of a run as others are held against it: its value, the seeds that this rests on, and tests."""

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
        run: where it was found.
        trial: of the search, whose weights stand for it.
        value: of the objective: of its fresh seeds if it was confirmed, else the mean over the search's.
        low, high: the 95 % interval; none where it is not known.
        seeds: each seed that the value rests on, with its own value.
        is_confirmed: whether these are fresh ones.
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
        """Two winners with the same one are one configuration, also if a knob that does nothing stands in one of them only."""
        return key_of(self.trial.config)


def winner(run: Run) -> Winner | None:
    """The best configuration, if one has finished."""
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
    """The value on each seed that the value of a configuration rests on."""
    rows = where.fresh if where.is_confirmed else where.trials
    own = rows[rows["group"] == group]
    return dict(zip(own["seed"], valued.values(own), strict=True))


def chance(first: Winner, other: Winner) -> tuple[float, str] | None:
    """The p-value of a difference and how it was found; none where they share no two seeds.

    Networks of one seed each are compared image by image; by drawing images or groups again where these come in groups, or
    where another metric of classes ranks them.
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
    """Two trained networks on the same validation images; none where nothing is kept that tells them apart."""
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
