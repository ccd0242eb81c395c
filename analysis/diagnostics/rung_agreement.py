"""Whether early stopping stopped the right trials: how well the order at each rung agrees with the order at the end.

Only trials that went on have a final value. The agreement among these trials is biased, because the rung itself chose them. A
search with --audit lets a random share of the trials that would be stopped run on. Each audited trial then also stands for the
trials that were stopped at its rung (the weights of Horvitz & Thompson, "A Generalization of Sampling Without Replacement from
a Finite Universe", JASA 1952). These weights remove the bias as far as a sample can. Nothing is known about the stopped trials
of a rung where no audited trial finished; `unseen` counts such trials.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np

from search.run.ledger import Run, Trial
from trainables.files.durable import Record

FEWEST = 5  # trials with a final value; with less a rank correlation is chance


class Rung(NamedTuple):
    """One epoch at which trials were stopped or went on: counts of trials, and how its order agrees with the final order."""

    epoch: int
    reached: int
    stopped: int
    went_on: int
    audited: int  # trials that went on only because of the audit, counted in went_on too
    agreement: float | None  # weighted rank correlation of the value that was judged with the final value
    compared: int  # finished trials among those that reached the rung


class Passage(NamedTuple):
    """One epoch at which trials were stopped or went on: the counts, and the trials that reached the epoch."""

    epoch: int
    stopped: int
    went_on: int
    audited: int  # trials that went on only because of the audit, counted in went_on too
    judged: dict[
        int, float | None
    ]  # the index of each trial that reached the epoch to the value by which it was judged


def decided(run: Run) -> dict[int, dict[int, Record]]:
    """The decision about each trial at each rung, by epoch; the last one counts, because a search that grows decides anew."""
    found: dict[int, dict[int, Record]] = {}
    for record in run.decisions:
        found.setdefault(record["epoch"], {})[record["trial"]] = record
    return dict(sorted(found.items()))


def passages(run: Run) -> list[Passage]:
    """Every rung with decisions, by epoch."""
    found = []
    for epoch, here in decided(run).items():
        stopped = sum(record["decision"] == "stop" for record in here.values())
        audited = sum(bool(record.get("audit")) for record in here.values())
        judged = {index: record.get("value") for index, record in here.items()}
        found.append(Passage(epoch, stopped, len(here) - stopped, audited, judged))
    return found


def rungs(run: Run) -> list[Rung]:
    """Every rung, with the agreement between the order of trials at that rung and their final order."""
    weights, trials = weigh(run), {trial.index: trial for trial in run.trials}
    found = []
    for epoch, stopped, went_on, audited, judged in passages(run):
        ended = [trials[index] for index in judged if index in trials]
        final = [trial for trial in ended if trial.status == "finished"]
        found.append(Rung(epoch, len(judged), stopped, went_on, audited, agreement(final, judged, weights), len(final)))
    return found


def spared_at(run: Run) -> dict[int, int]:
    """Map each trial that went on because of the audit to the first rung where it would have been stopped."""
    first: dict[int, int] = {}
    for epoch, here in decided(run).items():
        for trial in (trial for trial, record in here.items() if record.get("audit")):
            first.setdefault(trial, epoch)
    return first


def weigh(run: Run) -> dict[int, float]:
    """Map each audited trial to the number of trials that it stands for; a trial without an entry stands for itself."""
    first = spared_at(run)
    audited = Counter(first.values())
    stopped = {passage.epoch: passage.stopped for passage in passages(run)}
    return {trial: 1 + stopped[epoch] / audited[epoch] for trial, epoch in first.items()}


def unseen(run: Run) -> dict[int, int]:
    """Map each rung where no audited trial finished to the number of trials that were stopped there."""
    finished = {trial.index for trial in run.trials if trial.status == "finished"}
    seen = {epoch for trial, epoch in spared_at(run).items() if trial in finished}
    return {rung.epoch: rung.stopped for rung in passages(run) if rung.stopped and rung.epoch not in seen}


def agreement(trials: list[Trial], judged: dict[int, float | None], weights: dict[int, float]) -> float | None:
    """Weighted Spearman correlation of the values at a rung with the final values; None if undefined or too few trials."""
    own = [trial for trial in trials if trial.best and judged[trial.index] is not None]
    if len(own) < FEWEST:
        return None
    weight = np.array([weights.get(trial.index, 1.0) for trial in own])
    early = weighted_ranks(np.array([judged[trial.index] for trial in own], float), weight)
    late = weighted_ranks(np.array([trial.value for trial in own], float), weight)
    early, late = early - np.average(early, weights=weight), late - np.average(late, weights=weight)
    spread = np.sqrt(np.sum(weight * early**2) * np.sum(weight * late**2))
    return float(np.sum(weight * early * late) / spread) if spread > 0 else None


def weighted_ranks(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The weight of all smaller values and half the weight of equal values; mean ranks minus 0.5 if every weight is 1."""
    smaller, equal = values[None, :] < values[:, None], values[None, :] == values[:, None]
    return np.asarray((smaller * weight).sum(axis=1) + (equal * weight).sum(axis=1) / 2)


def audited(run: Run) -> list[Trial]:
    """The trials that only the audit kept alive."""
    kept = spared_at(run)
    return [trial for trial in run.trials if trial.index in kept]
