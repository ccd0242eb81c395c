"""Where the configurations of a run stand: the search's own ranking, and what fresh seeds made of its best.

Trials of source "confirm" were trained after the search to look at its best again; they have no part in its ranking.
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
        board: one row per configuration; the same as `trials` where each has one seed.
        fresh: one row per trial that confirms, in plan order, without a rank.
        confirmed: one row per configuration that was trained on fresh seeds, best first, with its value in the search in
            `search_value`; empty as long as any of these trials has not ended.
        keys: the hyperparameters worth a column.
        winner: the place in the plan of the trial whose weights stand for the best configuration.
    """

    trials: pd.DataFrame
    board: pd.DataFrame
    fresh: pd.DataFrame
    confirmed: pd.DataFrame
    keys: list[str]
    winner: int | None

    @property
    def is_confirmed(self) -> bool:
        """Whether fresh seeds choose: one configuration at least finished on all of them."""
        return "finished" in set(self.confirmed["status"])

    @cached_property
    def moved(self) -> tuple[float, float] | None:
        """How far a fresh seed moves one configuration and not the others: see `moved_by_seeds`."""
        return moved_by_seeds(self.confirmed, self.fresh)

    @cached_property
    def best(self) -> pd.Series | None:
        """The row of the winner."""
        own = [rows[rows["index"] == self.winner] for rows in (self.trials, self.fresh)]
        return next((rows.iloc[0] for rows in own if len(rows)), None)


def stand(run: Run) -> Standing:
    """Rank a run."""
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
    return Standing(trials, board, fresh, confirmed, keys, None if best is None else best.index)


def moved_by_seeds(confirmed: pd.DataFrame, fresh: pd.DataFrame) -> tuple[float, float] | None:
    """How far a seed moves the accuracy of one configuration and not the others: a variance and its degrees of freedom.

    None if that is not known, or if the objective is another one: it is for tests over images.
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
    """What the fresh seeds say, as rows of the board with its id, folder and `search_value`."""
    over = all(trial.ended for trial in run.fresh_trials)
    rows = replicates.configurations(fresh.assign(tied=False), max(1, run.totals.confirm_seeds), run.identity.folds)
    rows = rows.iloc[: None if over else 0]
    known = board[board["group"].isin(rows["group"])].set_index("group")
    rows = rows[rows["group"].isin(known.index)]
    own = {key: known.loc[rows["group"], key].to_numpy() for key in ("index", "id", "folder", "source")}
    promised = valued.values(known.loc[rows["group"]]).where(known.loc[rows["group"], "status"] == "finished")
    return rows.assign(**own, search_value=promised.to_numpy())  # what was stopped early promised nothing of its end


def confirmed_values(run: Run, trial: Trial) -> list[float]:
    """The values of its configuration on fresh seeds."""
    return [other.value for other in confirmations(run, trial) if other.value is not None]


def confirmations(run: Run, trial: Trial) -> list[Trial]:
    """The trials of its configuration on fresh seeds; none until all have ended, or if it did not finish on each of them."""
    fresh = run.fresh_trials
    own = [other for other in fresh if other.config == trial.config]
    if not all(other.ended for other in fresh) or any(other.status != "finished" for other in own):
        return []
    return own
