"""Confirmation: the best configurations and the baseline, trained in full again on seeds without a part in the choice."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from search.records import Totals
from search.run import ledger, order
from search.run.ledger import Run, Trial
from search.run.order import T
from search.status import ENDED
from trainables.config import key_of, trial_id
from trainables.files import durable
from trainables.files.durable import Record
from trainables.seeds import derive

SOURCE = ledger.CONFIRMATION


def seed_of(seed: int, replicate: int) -> int:
    """The trial seed of replicate r = 0, 1, ... of the confirmation; all configurations share it, for comparison in pairs."""
    return derive(seed, SOURCE, replicate)


def fold_of(folds: int, replicate: int) -> int:
    """The fold of replicate r of the confirmation: of partitions that the search did not see.

    See trainables/data/held_out/folds.py.
    """
    return folds + replicate + 1


def extend(run: Run) -> Run:
    """Plan the missing trials of the confirmation, if the search has ended, and read the run again.

    Raises:
        StorageError: the plan could not be written.
    """
    lines = missing(run)
    if not lines:
        return run
    durable.append(run.folder / "trials.jsonl", *lines)
    return ledger.read(run.folder)


def missing(run: Run) -> list[Record]:
    """The lines of the plan that the confirmation lacks; none before every trial of the search has ended.

    A configuration that is confirmed stays in the confirmation when the search grows and other configurations become better:
    all have the same seeds.
    """
    if not (run.totals.confirm and run.search_ended):
        return []
    there = {(trial.seed, key_of(trial.config)) for trial in run.fresh_trials}
    lines: list[Record] = []
    for config in chosen(run):
        for replicate in range(run.totals.confirm_seeds):
            seed = seed_of(run.identity.seed, replicate)
            if (seed, key_of(config)) not in there:
                index = len(run.trials) + len(lines)
                fold = {"fold": fold_of(run.identity.folds, replicate)} if run.identity.folds else {}
                lines.append(
                    {"index": index, "id": trial_id(config, seed), "config": config, "seed": seed, "source": SOURCE}
                    | fold
                )
    return lines


def chosen(run: Run) -> list[Record]:
    """The configurations to confirm, each once: first those already confirmed, then the best, then the baseline."""
    best = leaders(run.search_trials)[: run.totals.confirm]
    baseline = [trial for trial in run.search_trials if trial.source == "baseline"][:1] if best else []
    configs = {key_of(trial.config): trial.configuration for trial in (*run.fresh_trials, *best, *baseline)}
    return list(configs.values())


def deciding(run: Run) -> list[Trial]:
    """The trials of the best configuration, on which the choice of the winner rests; none if no configuration has finished.

    Once all trials on fresh seeds have ended and a configuration has finished on each fresh seed, these are its trials on fresh
    seeds. Otherwise they are trials of the search.
    """
    return confirmed(run.fresh_trials, run.totals) or order.finished(run.search_trials, run.totals.seeds)


def confirmed(fresh: Sequence[T], totals: Totals) -> list[T]:
    """The best configuration's trials on fresh seeds; none before all trials on fresh seeds have ended.

    None, too, if no configuration has finished on all fresh seeds.
    """
    if not all(trial.status in ENDED for trial in fresh):
        return []
    return order.finished(fresh, max(1, totals.confirm_seeds))


def winner(run: Run) -> Trial | None:
    """The trial whose weights stand for the best configuration: its best trial of the search; with folds, its first one.

    Values of different folds are of different images, so the best fold may only have had the easiest images. The trial must
    have finished. If no trial of the search has finished for a configuration that fresh seeds chose, such as a baseline that
    was stopped early, the winner is one of its trials on fresh seeds. None if no configuration has finished.
    """
    best = deciding(run)
    groups = [[trial for trial in run.search_trials if best and key_of(trial.config) == key_of(best[0].config)], best]
    finished = ([trial for trial in group if trial.status == "finished"] for group in groups)
    place = attrgetter("index") if run.identity.folds else order.of_trial
    return min(next(filter(None, finished), []), key=place, default=None)


def leaders(trials: Iterable[Trial]) -> list[Trial]:
    """One finished trial of each configuration that has a finished trial; the best configuration comes first.

    A configuration that finished on all of its seeds comes before a configuration that early stopping left on some seeds only:
    one lucky seed that survived says little.
    """
    finished = ([trial for trial in group if trial.status == "finished"] for group in order.configurations(trials))
    return [trials[0] for trials in finished if trials]


def is_complete(run: Run) -> bool:
    """Whether nothing is left to train, the confirmation included."""
    return run.search_ended and not missing(run) and all(trial.ended for trial in run.trials)
