"""Combine the trials of one configuration on several seeds into one row: the mean, and how much the seed moves it."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.frame import valued
from analysis.frame.dataframe import metric_columns
from analysis.ranking import best_interval, comparison, row_order, statistics
from search.run import order
from search.status import of_configuration


def configurations(trials: pd.DataFrame, seeds: int, folds: int = 0) -> pd.DataFrame:
    """One row per configuration, best first, with each metric the mean over its seeds.

    Args:
        trials: one row per trial, in any order; those with the same `group` are of one configuration.
        seeds: the number of seeds that each configuration is to be trained on.
        folds: number of folds of each partition, if each seed has a fold of its own; else 0.

    Columns: those of the first trial of each configuration (in plan order), and those of `comparison.compare_seeds`. `low` and
    `high` come from `interval`, in the first row from `best_interval.of_seeds`. `seed_deviation` is the standard deviation from
    seed to seed. `seeds` is the number of seeds that have a value. `stopped_seeds` is the number of seeds, of the
    `seeds_planned`, on which the configuration was stopped early.

    A configuration has finished when it has finished on every seed. Once all its seeds have ended, it has the worst of their
    statuses (from the worst: failed, diverged, stopped, finished). The mean of a stopped configuration may be over trainings of
    different lengths.
    """
    plan, objective = trials.sort_values("index"), valued.objective_of(trials)
    groups = [group for _, group in plan.groupby("group", sort=False)]
    firsts = plan.iloc[:0] if not groups else pd.concat([group.iloc[:1] for group in groups], ignore_index=True)
    metrics = metric_columns(trials, objective) if len(trials) else []
    means = plan.groupby("group", sort=False)[metrics].mean()
    by_group = plan.groupby("group", sort=False)[objective.column]
    deviation, number = by_group.std().to_numpy(), by_group.count().to_numpy()
    mean = by_group.agg(order.mean).to_numpy(float)
    statuses = [of_configuration(list(group["status"]), seeds, bool(group["epochs"].any())) for group in groups]
    finished = np.array([each == "finished" for each in statuses], bool)
    low, high = (np.clip(end, *valued.limits(objective)) for end in interval(mean, deviation, number, finished, folds))
    rows = firsts.assign(**{key: means[key].to_numpy() for key in metrics} | {objective.column: mean})
    rows = rows.assign(low=low, high=high, seed_deviation=deviation, seeds=number, seeds_planned=seeds)
    rows["stopped_seeds"] = [int((group["status"] == "stopped").sum()) for group in groups]
    rows["status"] = statuses
    rows["epochs"] = [int(group["epochs"].sum()) for group in groups]
    rows["epochs_allowed"] = [int(group["epochs_allowed"].max()) * seeds for group in groups]
    rows["best_epoch"] = pd.Series(pd.NA, index=rows.index, dtype="Int64")
    ranked = row_order.rank(rows.drop(columns="rank", errors="ignore"))
    of = {group["index"].iloc[0]: group.sort_values("seed")[objective.column].to_numpy() for group in groups}
    own = [of[index] for index in ranked["index"][ranked["status"] == "finished"]]
    values = np.array(own, float).reshape(len(own), seeds)
    return best_interval.best_configuration(comparison.compare_seeds(ranked, values, folds), values, folds)


def interval(
    mean: np.ndarray, deviation: np.ndarray, number: np.ndarray, finished: np.ndarray, folds: int = 0
) -> tuple[Any, Any]:
    """Student's 95 % interval of the mean over seeds.

    NaN where a configuration did not finish on every seed, so that seeds were not trained alike. NaN also where all seeds gave
    the same value by chance.
    """
    wide = np.array([statistics.of_folds(each, folds) for each in number.tolist()])
    low, high = statistics.t_interval(mean, deviation * wide, number)
    known = finished & (deviation > 0)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def in_their_order(trials: pd.DataFrame, board: pd.DataFrame) -> pd.DataFrame:
    """Sort the trials by the rank of their configuration, best first, then in plan order.

    Each trial gets the rank of its configuration, and is tied with the best if its configuration is. Its value and interval stay
    its own.
    """
    known = board.set_index("group").loc[trials["group"]]
    own = trials.assign(rank=known["rank"].to_numpy(), tied=known["tied"].to_numpy())
    return own.sort_values(["rank", "index"]).reset_index(drop=True)
