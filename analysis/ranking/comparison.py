"""Which rows differ by more than luck: every pair of finished ones is compared, and all comparisons are adjusted for all.

A comparison with the best alone would be wrong: the best was picked because it is best, so of many equal ones the last is
soon "worse". Holm's adjustment over all pairs bounds the chance of any false "worse" in a whole search by LEVEL, whichever
rows are looked at afterwards. The cost stays that of a few rows: the first EXACT and the baseline are compared image by
image, and of any other pair the two counts alone bound the p-value from above.
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
EXACT = 100  # rows that are compared image by image; all that a table shows are among them


def compare(ranked: pd.DataFrame, images: int, groups: Sequence[int] = ()) -> pd.DataFrame:
    """ranked, one trained network a row, with an interval for each value and comparisons on the same images.

    Of accuracies both count the images that are right. Of another metric of classes, and where images come in groups, which
    these counts take for independent ones, they follow from drawing images or groups again. Of a loss there are none.

    Args:
        groups: the group of each validation image, if there are any.

    Columns: `low` and `high` of the 95 % interval (over images), `p_value` of the comparison with the first row (adjusted
    over all pairs), `test` (empty where nothing is compared), `tied` (the best itself, and every finished row that is not
    shown to be worse), `first_place` and `last_place` (where a row may stand among the finished ones; empty where that is
    not known), and `discordant`: how many images only one of row and best gets right (empty where that is not known). Where
    images or groups are drawn again, `apart` is how far the draws move the difference from the best (standard deviation).
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
    """ranked, one trained network a row, compared on the same draws of images or of groups of them."""
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
    low[exact], high[exact] = zip(*map(resampling.interval, drawn), strict=True)
    raw = resampling.p_values(drawn, valued.values(finished).to_numpy()[exact], units.number)
    tests = np.full(len(finished), LOST, dtype=object)
    tests[exact] = RESAMPLED
    apart[exact] = (drawn - drawn[:1]).std(axis=1, ddof=1)
    return call(ranked.assign(low=low, high=high, apart=apart), exact, raw, np.ones(len(finished)), tests)


def allow_for_seeds(ranked: pd.DataFrame, images: int, moved: tuple[float, float]) -> pd.DataFrame:
    """ranked, compared by `compare` as trained networks, now as the configurations that they are of.

    Args:
        moved: by how much a seed moves one configuration and not the others, as a variance, and its degrees of freedom. Those
            that were not trained on other seeds are taken to move as those that were.
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
    """ranked, one configuration a row, compared by paired t-tests over the seeds or folds that all of them share.

    Args:
        ranked: with the columns `low` and `high` already.
        values: of the finished rows, which come first, at each seed: (finished, seeds). One seed is no test.
        folds: of each partition, if the seeds have one each: then the tests are corrected, see `statistics.of_folds`.

    Columns: those of `compare` but `discordant`, and `error`: how far the seeds move the mean of one row and not those of the
    others (standard deviation, the same in all rows; empty where one row has finished).
    """
    if values.shape[-1] < 2:
        return leave(ranked.assign(error=np.nan))
    exact = compared_exactly(ranked[ranked["status"] == "finished"])
    least, wide = statistics.step(values), statistics.of_folds(values.shape[-1], folds)
    raw = statistics.paired_t(values[exact][:, None] - values[exact][None, :], least, wide)
    rest = statistics.paired_t(values - values[:1], least, wide)
    error = wide * (seed_variance.average(values)[0] / values.shape[-1]) ** 0.5 if len(values) > 1 else np.nan
    kinds = np.full(len(values), FOLDS if folds else SEEDS, dtype=object)
    return call(ranked.assign(error=error), exact, raw, rest, kinds)


def of_other_images(ranked: pd.DataFrame) -> pd.DataFrame:
    """ranked, one trained network a row, each on its own fold: without intervals and tests, which their configurations have."""
    return leave(ranked.assign(low=np.nan, high=np.nan, discordant=np.nan))


def leave(ranked: pd.DataFrame) -> pd.DataFrame:
    """ranked without any comparison: rows on different seeds, or on one fresh seed each, have none that is sound."""
    finished = ranked["status"] == "finished"
    return ranked.assign(
        p_value=np.nan, test=None, tied=finished & (ranked["rank"] == 1), first_place=np.nan, last_place=np.nan
    )


def compared_exactly(finished: pd.DataFrame) -> Array:
    """The places of the rows whose pairs are all compared, in order."""
    wanted = (np.arange(len(finished)) < EXACT) | (finished["source"] == "baseline").to_numpy()
    return np.flatnonzero(wanted)


class Bounds:
    """What the counts alone tell about pairs that are not compared image by image.

    Args:
        counts: images that each finished row gets right.
        exact: the rows that are compared image by image.
    """

    def __init__(self, counts: Array, exact: Array, images: int) -> None:
        inside = np.zeros(len(counts), bool)
        inside[exact] = True
        self.clear = LEVEL / max(1, len(counts) * (len(counts) - 1) // 2)  # Holm rejects what is at most this at once
        self.all, self.inside, self.outside = (np.sort(part) for part in (counts, counts[inside], counts[~inside]))
        self.images = images

    def number(self) -> int:
        """Pairs that differ clearly, without those of two exact rows."""
        return int(self.below(self.all, self.all).sum() - self.below(self.inside, self.inside).sum())

    def below(self, values: Array, rows: Array) -> Array:
        """For each value how many of these rows (sorted) are clearly worse."""
        return np.searchsorted(rows, self.reach(values), side="right")

    def above(self, values: Array, rows: Array) -> Array:
        """For each value how many of these rows (sorted) are clearly better."""
        return len(rows) - np.searchsorted(self.reach(rows), values, side="left")

    def reach(self, values: Array) -> Array:
        """For each count the largest one that is clearly worse, by bisection; -1 if none is."""
        low, high = np.full(len(values), -1), np.array(values)
        while (high - low > 1).any():
            middle = (low + high) // 2
            is_clear = (statistics.largest_mcnemar(values, middle, self.images) <= self.clear) & (high - low > 1)
            low, high = np.where(is_clear, middle, low), np.where(is_clear | (high - low <= 1), high, middle)
        return low


def call(
    ranked: pd.DataFrame, exact: Array, raw: Array, rest: Array, tests: Array, bounds: Bounds | None = None
) -> pd.DataFrame:
    """ranked with p_value, test, tied and places.

    Args:
        exact: places of the rows that are compared pair by pair.
        raw: p-values of these pairs, (exact, exact).
        rest: p-value of each finished row against the first, or a bound of it.
        tests: how each finished row was compared with the first.
    """
    finished, pairs = len(rest), len(rest) * (len(rest) - 1) // 2
    p_values, kinds = np.full(len(ranked), np.nan), np.full(len(ranked), None, dtype=object)
    places = np.full((2, len(ranked)), np.nan)
    if finished:
        adjusted = adjust(raw, pairs, bounds.number() if bounds else 0)
        p_values[:finished] = np.where(rest * pairs <= LEVEL, rest * pairs, 1.0)
        p_values[exact], kinds[:finished] = adjusted[0], tests
        p_values[0], kinds[0] = np.nan, None
        values = valued.objective_of(ranked).signed(valued.values(ranked).to_numpy())
        places[:, exact] = spread_of_places(values[exact], adjusted, finished, bounds)
    tied = p_values > LEVEL
    tied[: min(finished, 1)] = True
    return ranked.assign(p_value=p_values, test=kinds, tied=tied, first_place=places[0], last_place=places[1])


def adjust(raw: Array, pairs: int, clear: int) -> Array:
    """The p-value of each pair of exact rows, adjusted for all pairs that there are."""
    upper = np.triu_indices(len(raw), 1)
    adjusted = np.ones_like(raw)
    adjusted[upper] = statistics.holm(raw[upper], pairs - len(upper[0]), clear)
    return np.minimum(adjusted, adjusted.T)


def spread_of_places(values: Array, adjusted: Array, finished: int, bounds: Bounds | None) -> Array:
    """The first and the last place that each exact row may have, (2, rows). Larger values are better.

    All of these statements hold at once with 95 % confidence, because no false one is among the differences in 95 % of all
    searches. Source of the idea: Mogstad, Romano, Shaikh & Wilhelm, "Inference for Ranks" (Review of Economic Studies 2024).
    """
    beats = (adjusted <= LEVEL) & (values[:, None] > values[None, :])
    better, worse = beats.sum(axis=0), beats.sum(axis=1)
    if bounds:
        hits = np.round(values * bounds.images).astype(int)
        better, worse = better + bounds.above(hits, bounds.outside), worse + bounds.below(hits, bounds.outside)
    return np.array([1 + better, finished - worse])


def discordant(rows: pd.DataFrame, counts: Array, images: int) -> tuple[Array, Array]:
    """How many images row i gets right and row j does not, int (rows, rows); and which rows have predictions."""
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
    """Which validation images a trial got right at its best epoch, bool (images,); none if that is not there to read.

    A file that does not agree with the ledger counts as missing: results.md says how many rows are compared without.
    """
    try:
        found = predictions.read(folder)
    except ValueError:
        return None
    is_whole = found.correct.dtype == np.bool_ and found.correct.shape == (images,)
    agrees = is_whole and found.epoch == epoch and found.correct.sum() == hits
    return found.correct if agrees else None
