"""Test which rows differ by more than luck. Every pair of finished rows is compared, with an adjustment for all pairs.

A comparison with the best row alone would be wrong. The best row was picked because it is best, so the last of many equal rows
soon looks "worse". Holm's adjustment over all pairs bounds the chance of any false "worse" in a whole search by LEVEL, whichever
rows a reader looks at afterwards. The cost stays that of a few rows. Only the first EXACT rows and the baseline are compared
image by image. For any other pair, the two counts of right images give an upper bound of the p-value.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.frame import predictions, valued
from analysis.ranking import resampling, seed_variance, statistics
from analysis.ranking.statistics import LEVEL, Array
from trainables.training.class_metrics import MEASURES

PAIRED, UNPAIRED, COUNTS, SEEDS, FOLDS = "paired", "unpaired", "counts", "seeds", "folds"  # how a row was compared
ALLOWING = "allowing"  # likewise: over images, allowing for another seed
RESAMPLED, LOST = "resampled", "lost"  # likewise: by drawing the images again; not at all, as predictions are not kept
OVER = {SEEDS, FOLDS}  # trainings of a configuration, and not images
OF_CONFIGURATIONS = {*OVER, ALLOWING}  # the others compare trained networks
EXACT = 100  # rows that are compared image by image


def compare(ranked: pd.DataFrame, images: int, groups: Sequence[int] = ()) -> pd.DataFrame:
    """Add to ranked, one trained network a row, an interval for each value and comparisons on the same images.

    Intervals and comparisons of accuracies come from the number of images that are right. This takes images as independent. If
    images come in groups, or the objective is another metric of classes, images or groups are drawn again instead. Any other
    objective, such as a loss, has no intervals and no comparisons.

    Args:
        groups: the group of each validation image, if there are any.

    Columns: `low` and `high` of the 95 % interval (over images), `p_value` of the comparison with the first row (adjusted over
    all pairs), `test` (how a row was compared; empty where nothing is compared), `tied` (the best row itself, and every row that
    was compared and is not shown to be worse), `first_place` and `last_place` (the best and the worst place that a row may have
    among the finished rows; empty where they are not known), and `discordant` (the number of images that only one of the row and
    the best row gets right; empty where it is not known). Where images or groups are drawn again, `apart` is the standard
    deviation over the draws of the difference from the best row.
    """
    objective = valued.objective_of(ranked)
    if objective.column in MEASURES and (len(groups) or not objective.is_accuracy):
        return compare_draws(
            ranked, images, resampling.Units(np.array(groups)) if len(groups) else resampling.each(images)
        )
    if not objective.is_accuracy:
        return leave(ranked.assign(low=np.nan, high=np.nan, discordant=np.nan))
    hits = (valued.values(ranked) * images).round().to_numpy()
    low, high = statistics.wilson(hits, images)
    finished = ranked[ranked["status"] == "finished"]  # they come first
    counts, exact = hits[: len(finished)].astype(int), compared_exactly(finished)
    wins, known = discordant(finished.iloc[exact], counts[exact], images)
    paired = known[:, None] & known[None, :]
    unpaired = statistics.two_proportions(counts[exact][:, None], counts[exact][None, :], images)
    raw = np.where(paired, statistics.mcnemar(wins, wins.T), unpaired)
    rest = statistics.largest_mcnemar(counts[:1], counts, images) if len(counts) else np.zeros(0)
    tests = np.full(len(finished), COUNTS, dtype=object)
    tests[exact] = np.where(paired[:1], PAIRED, UNPAIRED)[0] if len(exact) else []
    only_one = np.full(len(ranked), np.nan)
    only_one[exact] = np.where(paired[:1], wins[:1] + wins[:, :1].T, np.nan)[0] if len(exact) else []
    bounded = ranked.assign(low=low, high=high, discordant=only_one)
    return call(bounded, exact, raw, rest, tests, Bounds(counts, exact, images))


def compare_draws(ranked: pd.DataFrame, images: int, units: resampling.Units) -> pd.DataFrame:
    """Compare ranked, one trained network a row, on the same draws of images or of groups of images."""
    objective, finished = valued.objective_of(ranked), ranked[ranked["status"] == "finished"]
    near = (np.arange(len(finished)) < resampling.MOST) | (finished["source"] == "baseline").to_numpy()
    rows = finished[near]
    kept = [
        resampling.answers(folder, epoch, value, objective, images)
        for folder, epoch, value in zip(rows["folder"], rows["best_epoch"], valued.values(rows), strict=True)
    ]
    known = np.array([own is not None for own in kept], bool)
    drawn = np.array([resampling.values(own, objective, units) for own in kept if own is not None])
    exact, low, high = np.flatnonzero(near)[known], np.full(len(ranked), np.nan), np.full(len(ranked), np.nan)
    ranked, apart = ranked.assign(discordant=np.nan, apart=np.nan), np.full(len(ranked), np.nan)
    if not len(exact) or exact[0] != 0:
        return leave(ranked.assign(low=low, high=high))
    true, limits = valued.values(finished).to_numpy()[exact], valued.limits(objective)
    low[exact], high[exact] = resampling.intervals(drawn, true, units.number, limits)
    raw = resampling.p_values(drawn, true, units.number)
    tests = np.full(len(finished), LOST, dtype=object)
    tests[exact] = RESAMPLED
    apart[exact] = (drawn - drawn[:1]).std(axis=1, ddof=1)
    return call(ranked.assign(low=low, high=high, apart=apart), exact, raw, np.ones(len(finished)), tests)


def allow_for_seeds(ranked: pd.DataFrame, images: int, moved: tuple[float, float]) -> pd.DataFrame:
    """Replace comparisons of trained networks by comparisons of their configurations, which allow for another seed.

    Args:
        ranked: one trained network a row, as `compare` returns it.
        moved: the variance by which a seed moves one configuration and not the others, and its degrees of freedom. Configurations
            that were not trained on other seeds are assumed to have the same variance.
    """
    finished = ranked[ranked["status"] == "finished"]
    counts, exact = (valued.values(finished) * images).round().to_numpy().astype(int), compared_exactly(finished)
    wins, known = discordant(finished.iloc[exact], counts[exact], images)
    better, worse = (each(counts[exact][:, None], counts[exact][None, :]) for each in (np.maximum, np.minimum))
    losses = statistics.most_discordant(better, worse, images)
    paired = known[:, None] & known[None, :]
    raw = statistics.on_other_seeds(
        np.where(paired, wins, better - worse + losses), np.where(paired, wins.T, losses), images, *moved
    )
    least = statistics.most_discordant(counts[:1], counts, images)
    rest = statistics.on_other_seeds(counts[:1] - counts + least, least, images, *moved)
    return call(ranked, exact, raw, rest, np.full(len(finished), ALLOWING, dtype=object))


def compare_seeds(ranked: pd.DataFrame, values: Array, folds: int = 0) -> pd.DataFrame:
    """Compare ranked, one configuration a row, by paired t-tests over the seeds or folds that all rows share.

    Args:
        ranked: with the columns `low` and `high` already.
        values: (finished, seeds): the value of each finished row on each seed. The finished rows come first. One seed allows no
            test.
        folds: number of folds of each partition, if each seed has a fold of its own; else 0. With folds the tests are corrected,
            see `statistics.of_folds`.

    Columns: those of `compare` without `discordant`, and `standard_error`: the standard deviation by which seeds move the mean of
    one row and not those of the others. The same in all rows; empty unless two rows have finished on at least two seeds.
    """
    if values.shape[-1] < 2:
        return leave(ranked.assign(standard_error=np.nan))
    exact = compared_exactly(ranked[ranked["status"] == "finished"])
    least, wide = statistics.step(values), statistics.of_folds(values.shape[-1], folds)
    raw = statistics.paired_t(values[exact][:, None] - values[exact][None, :], least, wide)
    rest = statistics.paired_t(values - values[:1], least, wide)
    error = wide * (seed_variance.average(values)[0] / values.shape[-1]) ** 0.5 if len(values) > 1 else np.nan
    kinds = np.full(len(values), FOLDS if folds else SEEDS, dtype=object)
    return call(ranked.assign(standard_error=error), exact, raw, rest, kinds)


def of_other_images(ranked: pd.DataFrame) -> pd.DataFrame:
    """Leave ranked, one trained network a row, without intervals and tests, because each has its own fold.

    The configurations of these networks have intervals and tests.
    """
    return leave(ranked.assign(low=np.nan, high=np.nan, discordant=np.nan))


def leave(ranked: pd.DataFrame) -> pd.DataFrame:
    """Leave ranked without comparisons: rows on different seeds, or on one fresh seed each, allow no sound test."""
    finished = ranked["status"] == "finished"
    return ranked.assign(
        p_value=np.nan, test=None, tied=finished & (ranked["rank"] == 1), first_place=np.nan, last_place=np.nan
    )


def compared_exactly(finished: pd.DataFrame) -> Array:
    """The positions, in order, of the finished rows whose pairs are all compared: the first EXACT and the baseline."""
    wanted = (np.arange(len(finished)) < EXACT) | (finished["source"] == "baseline").to_numpy()
    return np.flatnonzero(wanted)


class Bounds:
    """What the counts of right images alone tell about pairs that are not compared image by image.

    Args:
        counts: number of images that each finished row gets right.
        exact: the positions of the rows that are compared image by image.
        images: number of validation images.
    """

    def __init__(self, counts: Array, exact: Array, images: int) -> None:
        inside = np.zeros(len(counts), bool)
        inside[exact] = True
        self.clear = LEVEL / max(1, len(counts) * (len(counts) - 1) // 2)  # Holm rejects what is at most this at once
        self.all, self.inside, self.outside = (np.sort(part) for part in (counts, counts[inside], counts[~inside]))
        self.images = images

    def number(self) -> int:
        """The number of pairs that differ clearly, without the pairs of two exact rows."""
        return int(self.below(self.all, self.all).sum() - self.below(self.inside, self.inside).sum())

    def below(self, values: Array, rows: Array) -> Array:
        """For each value, how many of `rows` (sorted counts) are clearly worse."""
        return np.searchsorted(rows, self.reach(values), side="right")

    def above(self, values: Array, rows: Array) -> Array:
        """For each value, how many of `rows` (sorted counts) are clearly better."""
        return len(rows) - np.searchsorted(self.reach(rows), values, side="left")

    def reach(self, values: Array) -> Array:
        """For each count, the largest count that is clearly worse, found by bisection; -1 if no count is."""
        low, high = np.full(len(values), -1), np.array(values)
        while (high - low > 1).any():
            middle = (low + high) // 2
            is_clear = (statistics.largest_mcnemar(values, middle, self.images) <= self.clear) & (high - low > 1)
            low, high = np.where(is_clear, middle, low), np.where(is_clear | (high - low <= 1), high, middle)
        return low


def call(
    ranked: pd.DataFrame, exact: Array, raw: Array, rest: Array, tests: Array, bounds: Bounds | None = None
) -> pd.DataFrame:
    """Add the columns p_value, test, tied, first_place and last_place to the ranked rows.

    Args:
        exact: the positions of the rows that are compared pair by pair.
        raw: the p-values of these pairs before the adjustment, (exact, exact).
        rest: the p-value of each finished row against the first row, or an upper bound of this p-value.
        tests: how each finished row was compared with the first row.
        bounds: what the counts tell about all other pairs, if they tell anything.
    """
    finished, pairs = len(rest), len(rest) * (len(rest) - 1) // 2
    p_values, kinds = np.full(len(ranked), np.nan), np.full(len(ranked), None, dtype=object)
    places = np.full((2, len(ranked)), np.nan)
    if finished:
        adjusted = adjust(raw, pairs, bounds.number() if bounds else 0)
        p_values[:finished] = np.where(rest * pairs <= LEVEL, rest * pairs, 1.0)
        p_values[exact], kinds[:finished] = adjusted[0], tests
        p_values[0], kinds[0] = np.nan, None
        p_values[kinds == LOST] = np.nan  # no test, so no tie either
        values = valued.objective_of(ranked).signed(valued.values(ranked).to_numpy())
        places[:, exact] = spread_of_places(values[exact], adjusted, finished, bounds)
    tied = p_values > LEVEL
    tied[: min(finished, 1)] = True
    return ranked.assign(p_value=p_values, test=kinds, tied=tied, first_place=places[0], last_place=places[1])


def adjust(raw: Array, pairs: int, clear: int) -> Array:
    """The p-value of each pair of exact rows, adjusted for all `pairs`; `clear` other pairs differ clearly."""
    upper = np.triu_indices(len(raw), 1)
    adjusted = np.ones_like(raw)
    adjusted[upper] = statistics.holm(raw[upper], pairs - len(upper[0]), clear)
    return np.minimum(adjusted, adjusted.T)


def spread_of_places(values: Array, adjusted: Array, finished: int, bounds: Bounds | None) -> Array:
    """The first and the last place that each exact row may have, (2, rows). Larger values are better.

    All ranges of places hold at once with 95 % confidence, because in 95 % of all searches none of the differences is false.
    Source of the idea: Mogstad, Romano, Shaikh & Wilhelm, "Inference for Ranks" (Review of Economic Studies 2024).
    """
    beats = (adjusted <= LEVEL) & (values[:, None] > values[None, :])
    better, worse = beats.sum(axis=0), beats.sum(axis=1)
    if bounds:
        hits = np.round(values * bounds.images).astype(int)
        better, worse = better + bounds.above(hits, bounds.outside), worse + bounds.below(hits, bounds.outside)
    return np.array([1 + better, finished - worse])


def discordant(rows: pd.DataFrame, counts: Array, images: int) -> tuple[Array, Array]:
    """How many images row i gets right and row j does not, int (rows, rows).

    Also which rows have predictions, bool (rows,). The numbers hold only for pairs of rows that have predictions.
    """
    correct = [
        read_correct(folder, epoch, hits, images)
        for folder, epoch, hits in zip(rows["folder"], rows["best_epoch"], counts.tolist(), strict=True)
    ]
    known = np.array([row is not None for row in correct], bool)
    right = np.zeros((len(rows), images), np.float32)  # sums of products are whole numbers, exact up to 2**24
    for place, row in enumerate(correct):
        if row is not None:
            right[place] = row
    return np.rint(right @ (1 - right).T).astype(int), known


def read_correct(folder: Path, epoch: int, hits: int, images: int) -> Array | None:
    """Which validation images a trial got right at its best epoch, bool (images,); None if this cannot be read.

    Predictions that do not agree with the ledger count as missing. results.md says how many rows are compared without
    predictions.
    """
    try:
        found = predictions.read(folder)
    except ValueError:
        return None
    is_whole = found.correct.dtype == np.bool_ and found.correct.shape == (images,)
    agrees = is_whole and found.epoch == epoch and found.correct.sum() == hits
    return found.correct if agrees else None
