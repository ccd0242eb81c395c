"""Confirmation: the best configurations and the baseline, trained again in full on seeds that had no part in choosing them."""

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
    """The trial seed of confirmation r = 0, 1, ...; the same for every configuration, so that they can be compared in pairs."""
    return derive(seed, SOURCE, replicate)


def fold_of(folds: int, replicate: int) -> int:
    """The fold of confirmation r, see trainables/data/held_out/folds.py: of partitions that the search did not see."""
    return folds + replicate + 1


def extend(run: Run) -> Run:
    """Plan what the confirmation lacks, if the search has ended, and read the run again.

    Raises:
        StorageError: it could not be written down.
    """
    lines = missing(run)
    if not lines:
        return run
    durable.append(run.folder / "trials.jsonl", *lines)
    return ledger.read(run.folder)


def missing(run: Run) -> list[Record]:
    """The lines of the plan that the confirmation lacks; none before every trial of the search has ended.

    A configuration that is confirmed stays so when the search grows and others pass it: all have the same seeds.
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
    """The trials that the choice of the winner rests on: those of the best configuration, if one has finished.

    They are those on fresh seeds, once all of these have ended and a configuration has finished on each, else the search's own.
    """
    return confirmed(run.fresh_trials, run.totals) or order.finished(run.search_trials, run.totals.seeds)


def confirmed(fresh: Sequence[T], totals: Totals) -> list[T]:
    """Of the trials on fresh seeds those of the best configuration; none before all of them have ended."""
    if not all(trial.status in ENDED for trial in fresh):
        return []
    return order.finished(fresh, max(1, totals.confirm_seeds))


def winner(run: Run) -> Trial | None:
    """The trial whose weights stand for the best configuration: its best of the search, or that of its first fold.

    The value of another fold is of other images, so the best of them may only have had the easiest.
    One that fresh seeds chose may not have finished there, as a baseline that was stopped early: then the best of those.
    """
    best = deciding(run)
    groups = [[trial for trial in run.search_trials if best and key_of(trial.config) == key_of(best[0].config)], best]
    finished = ([trial for trial in group if trial.status == "finished"] for group in groups)
    place = attrgetter("index") if run.identity.folds else order.of_trial
    return min(next(filter(None, finished), []), key=place, default=None)


def leaders(trials: Iterable[Trial]) -> list[Trial]:
    """One finished trial of each configuration that has one, best first.

    Those that finished on all of their seeds come before those of which early stopping left only some: one lucky seed that
    survived says little.
    """
    finished = ([trial for trial in group if trial.status == "finished"] for group in order.configurations(trials))
    return [trials[0] for trials in finished if trials]


def is_complete(run: Run) -> bool:
    """Whether nothing is left to train, the confirmation included."""
    return run.search_ended and not missing(run) and all(trial.ended for trial in run.trials)
