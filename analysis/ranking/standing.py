"""Rank the configurations of a run: by the values of the search, and the best of them by fresh seeds.

Trials of source "confirm" were trained after the search to measure its best configurations again. These trials have no part in
the ranking of the search.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.frame import dataframe, valued
from analysis.ranking import best_interval, comparison, replicates, row_order, seed_variance
from search.run import confirmation
from search.run.ledger import Run, Trial
from trainables.config import key_of


@dataclass(frozen=True)
class Standing:
    """One run, ranked.

    Attributes:
        trials: one row per trial of the search, best first.
        board: one row per configuration; the same frame as `trials` if each configuration has one seed.
        fresh: one row per trial on a fresh seed, in plan order, without a rank.
        confirmed: one row per configuration that was trained on fresh seeds, best first, with its value in the search in
            `search_value`. Empty until all trials on fresh seeds have ended.
        keys: the hyperparameters that a table shows: those that were searched or that differ between trials.
        winner: the place in the plan of the trial whose weights stand for the best configuration; None if there is none.
        moved: how far a fresh seed moves one configuration and not the others: see `moved_by_seeds`.
    """

    trials: pd.DataFrame
    board: pd.DataFrame
    fresh: pd.DataFrame
    confirmed: pd.DataFrame
    keys: list[str]
    winner: int | None
    moved: tuple[float, float] | None

    @property
    def is_confirmed(self) -> bool:
        """Whether fresh seeds choose the winner: at least one configuration finished on all its fresh seeds."""
        return "finished" in set(self.confirmed["status"])

    @cached_property
    def best(self) -> pd.Series | None:
        """The row of the trial `winner`; None if there is none."""
        own = [rows[rows["index"] == self.winner] for rows in (self.trials, self.fresh)]
        return next((rows.iloc[0] for rows in own if len(rows)), None)


def stand(run: Run) -> Standing:
    """Rank the trials and configurations of a run."""
    everything = dataframe.load([run])
    everything.insert(0, "group", [key_of(trial.config) for trial in dataframe.planned(run)])
    is_fresh = everything["source"] == confirmation.SOURCE
    images, groups = run.identity.val_images, run.identity.groups
    searched, folds = row_order.rank(everything[~is_fresh]), run.identity.folds
    trials = comparison.compare(searched, images, groups) if not folds else comparison.of_other_images(searched)
    if run.totals.seeds == 1:
        board = trials = best_interval.best_network(trials, images, stops=stops_early(run)) if not groups else trials
    else:
        board = replicates.configurations(trials, run.totals.seeds, folds)
        trials = replicates.in_their_order(trials, board)
    confirmed = confirm(run, everything[is_fresh], board)
    fresh = row_order.rank(everything[is_fresh])
    fresh = comparison.compare(fresh, images, groups) if not folds else comparison.of_other_images(fresh)
    fresh = fresh.sort_values("index").assign(rank=None, tied=None)
    moved = moved_by_seeds(confirmed, fresh)
    if moved and run.totals.seeds == 1 and not groups:
        board = trials = comparison.allow_for_seeds(trials, images, moved)
    best = confirmation.winner(run)
    keys = dataframe.varied(everything, [run])
    return Standing(trials, board, fresh, confirmed, keys, None if best is None else best.index, moved)


def moved_by_seeds(confirmed: pd.DataFrame, fresh: pd.DataFrame) -> tuple[float, float] | None:
    """The variance by which a seed moves the accuracy of one configuration alone, and its degrees of freedom.

    A part that moves all configurations alike does not count. None if fewer than two configurations finished on at least two
    fresh seeds. None also for any objective but accuracy, because only tests over images use this variance.
    """
    if not valued.objective_of(fresh).is_accuracy:
        return None
    groups = confirmed["group"][confirmed["status"] == "finished"]
    own = [valued.values(fresh[fresh["group"] == group].sort_values("seed")).to_numpy() for group in groups]
    values = np.array(own, float)
    if values.ndim < 2 or min(values.shape) < 2:
        return None
    return seed_variance.average(values)


def stops_early(run: Run) -> bool:
    """Whether a rule may have stopped trials before their end."""
    return bool(run.identity.scheduler["name"] != "none")


def confirm(run: Run, fresh: pd.DataFrame, board: pd.DataFrame) -> pd.DataFrame:
    """One row per configuration that was trained on fresh seeds, with the id and folder of its row on the board.

    `search_value` is the value of the configuration in the search; NaN if the configuration did not finish there. There are no
    rows until all trials on fresh seeds have ended.
    """
    over = all(trial.ended for trial in run.fresh_trials)
    rows = replicates.configurations(fresh.assign(tied=False), max(1, run.totals.confirm_seeds), run.identity.folds)
    rows = rows.iloc[: None if over else 0]
    known = board[board["group"].isin(rows["group"])].set_index("group")
    rows = rows[rows["group"].isin(known.index)]
    own = {key: known.loc[rows["group"], key].to_numpy() for key in ("index", "id", "folder", "source")}
    promised = valued.values(known.loc[rows["group"]]).where(known.loc[rows["group"], "status"] == "finished")
    return rows.assign(**own, search_value=promised.to_numpy())  # what was stopped early promised nothing of its end


def repetitions(run: Run, trial: Trial) -> list[Trial]:
    """The trials of a configuration on the seeds or folds of the search, those with a value; empty for a search on one seed."""
    own = [other for other in run.search_trials if other.config == trial.config and other.best]
    return own if run.totals.seeds > 1 else []


def confirmed_values(run: Run, trial: Trial) -> list[float]:
    """The values of a trial's configuration on fresh seeds."""
    return [other.value for other in confirmations(run, trial) if other.value is not None]


def confirmations(run: Run, trial: Trial) -> list[Trial]:
    """The trials of the same configuration on fresh seeds.

    Empty until all trials on fresh seeds have ended. Empty also if the configuration did not finish on each of its fresh seeds.
    """
    fresh = run.fresh_trials
    own = [other for other in fresh if other.config == trial.config]
    if not all(other.ended for other in fresh) or any(other.status != "finished" for other in own):
        return []
    return own
