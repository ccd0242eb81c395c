"""Rank several runs together. Only configurations with the same objective on the same images share a ranking.

A row stands for one configuration, as in results.md of one run. It holds the mean over the seeds of the configuration if there
are several, and the value on fresh seeds if the configuration was confirmed.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.frame import dataframe, valued
from analysis.ranking import best_interval, comparison, row_order
from analysis.ranking.standing import Standing, stand, stops_early
from search.run.ledger import Run
from trainables.objective import Objective


def rank(runs: Sequence[Run]) -> list[pd.DataFrame]:
    """Rank the configurations of the runs, best first: one frame for each data set and objective.

    Columns: those of `Standing.board`, `run_place` (the position of the run in `runs` of its frame), `seeds_asked`, and
    `confirmed`, `confirmed_low` and `confirmed_high` (NaN for a configuration that did not finish on fresh seeds).
    """
    groups: dict[tuple[str, Objective], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.identity.comparable, run.identity.objective), []).append(run)
    return [ranked for alike in groups.values() if not (ranked := rank_alike(alike)).empty]


def rank_alike(runs: Sequence[Run]) -> pd.DataFrame:
    """Rank the configurations of runs that have the same objective and the same images."""
    standings = [stand(run) for run in runs]
    boards = [board(run, where, place) for place, (run, where) in enumerate(zip(runs, standings, strict=True))]
    rows = pd.concat([each for each in boards if len(each)] or boards[:1], ignore_index=True)
    keys = [key for key in dataframe.config_keys(runs) if key in rows]
    rows[keys] = rows[keys].astype(object).where(rows[keys].notna(), None)  # not a hyperparameter of every run
    ranked = row_order.rank(rows.drop(columns="rank"))
    if set(ranked["seeds_asked"]) <= {1}:
        images, groups = runs[0].identity.val_images, runs[0].identity.groups
        compared = comparison.compare(ranked, images, groups)
        stops = any(stops_early(run) for run in runs)
        return compared if groups else best_interval.best_network(compared, images, stops=stops)
    return compare_seeds(ranked, standings, runs[0].identity.folds)


def board(run: Run, where: Standing, place: int) -> pd.DataFrame:
    """The configurations of one run with their values on fresh seeds. `place` is the position of the run."""
    seeds = run.totals.seeds
    rows = where.board.assign(run_place=place, seeds_asked=seeds, seed=where.board["seed"] if seeds == 1 else None)
    known = where.confirmed[where.confirmed["status"] == "finished"].set_index("group")
    fresh = {"confirmed": run.identity.objective.column, "confirmed_low": "low", "confirmed_high": "high"}
    return rows.assign(**{name: rows["group"].map(known[key]).astype(float) for name, key in fresh.items()})


def compare_seeds(ranked: pd.DataFrame, standings: Sequence[Standing], folds: int) -> pd.DataFrame:
    """Compare configurations by paired t-tests if all finished rows have the same seeds. Otherwise make no test."""
    finished = ranked[ranked["status"] == "finished"]
    trained = [
        by_seed(standings[place], group) for place, group in zip(finished["run_place"], finished["group"], strict=True)
    ]
    if any(list(values.index) != list(trained[0].index) for values in trained):
        return comparison.leave(ranked)
    values = np.array([values.to_numpy() for values in trained], float)
    return best_interval.best_configuration(comparison.compare_seeds(ranked, values, folds), values, folds)


def by_seed(where: Standing, group: str) -> pd.Series:
    """The value of a configuration on each of its seeds."""
    own = where.trials[where.trials["group"] == group]
    return valued.values(own.set_index("seed")).sort_index()


def trained_with(runs: Sequence[Run]) -> str:
    """What decides whether runs can be compared, in words: images, or the code and data files of own training."""
    kinds = {run.identity.has_images for run in runs}
    code = "code or data files" if any(run.identity.data_files for run in runs) else "code"
    return " or ".join(word for has_images, word in ((True, "images"), (False, code)) if has_images in kinds)
