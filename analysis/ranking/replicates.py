"""Trials of one configuration on several seeds as one row: its mean, and how much the seed moves it."""

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
        seeds: on how many each configuration is to be trained.
        folds: of each partition, if each seed has a fold of its own.

    Columns: those of the first trial of each configuration (in plan order), and of `comparison.compare_seeds`; `low` and
    `high` are those of `interval`, in the first row those of `chosen.of_seeds`, `deviation` is the standard deviation from
    seed to seed, `seeds` is how many have a value, `stopped_seeds` on how many of the `seeds_planned` it was stopped early. A
    configuration has finished when it has on every seed; one that was stopped on any is stopped, and its mean may be of seeds
    of different lengths.
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
    rows = rows.assign(low=low, high=high, deviation=deviation, seeds=number, seeds_planned=seeds)
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
    """Student's interval over seeds; NaN where seeds were not trained alike, or came out the same by chance."""
    wide = np.array([statistics.of_folds(each, folds) for each in number.tolist()])
    low, high = statistics.t_interval(mean, deviation * wide, number)
    known = finished & (deviation > 0)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def in_their_order(trials: pd.DataFrame, board: pd.DataFrame) -> pd.DataFrame:
    """The trials in the order of their configurations, best first, then in plan order.

    Each has the rank of its configuration, and is tied with the best if that is; value and interval stay its own.
    """
    known = board.set_index("group").loc[trials["group"]]
    own = trials.assign(rank=known["rank"].to_numpy(), tied=known["tied"].to_numpy())
    return own.sort_values(["rank", "index"]).reset_index(drop=True)
