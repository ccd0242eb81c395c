"""A plan that grows while the search runs: an adaptive algorithm draws a point from earlier results when a slot is free.

The line of the point in trials.jsonl holds what the algorithm was told, so that anybody can draw the point again: the trials
that ended since the line before, as [index, status, epochs], and the indices of the trials that had not ended. A trial keeps a
status until a later line gives another.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from search.algorithms.base import Told
from search.algorithms.table import adaptive
from search.records import Totals
from search.run import ledger, plan
from spaces import Space
from trainables.config import Config
from trainables.files import durable
from trainables.files.durable import Record

Ended = dict[int, tuple[str, int]]  # index of a trial to its status and its number of epochs


def extend(folder: Path, space: Space) -> int | None:
    """Append the next trial to the plan of a search, and return its index; None if all trials are planned.

    Raises:
        SpaceError: the space has no other point.
        StorageError: the trial could not be written down.
    """
    run = ledger.read(folder)
    if run.is_planned:
        return None
    line = next_line(run, space, ledger.read_totals(folder), durable.read_lines(folder / "trials.jsonl"))
    durable.append(folder / "trials.jsonl", line)
    return int(line["index"])


def next_line(run: ledger.Run, space: Space, history: Sequence[Totals], lines: Sequence[Record]) -> Record:
    """The line of the next trial: one more seed of a point, or a new point."""
    trials = run.search_trials
    order = plan.order(history)
    point, replicate = order[len(trials)]
    seed: int = run.identity.seed
    if replicate:
        first = lines[trials[order.index((point, 0))].index]
        return plan.replica(first, len(run.trials), seed, replicate)
    told = news(trials, lines)
    known = to_tell(trials_told([*lines, {"told": told}]), curves(run))
    algorithm = adaptive(run.identity.algorithm)
    assert algorithm, "any other plan is whole from the start"
    drawn = algorithm.suggest(space, seed, point, known, run.identity.objective)
    line = plan.entry(len(run.trials), space, drawn, run.identity.algorithm, seed)
    return {**plan.on_first_fold(line, run.identity.folds), "told": told}


def news(trials: Sequence[ledger.Trial], lines: Sequence[Record]) -> Record:
    """What the algorithm is told for the next line: trials whose end no line before reports, and trials that still run."""
    known = trials_told(lines)
    ended = {trial.index: (trial.status, trial.stopped_at or len(trial.epochs)) for trial in trials if trial.ended}
    return {
        "ended": [[index, *end] for index, end in ended.items() if known.get(index) != end],
        "running": [trial.index for trial in trials if not trial.ended],
    }


def trials_told(lines: Sequence[Record]) -> Ended:
    """All that the algorithm knew at the last of these lines of the plan; a trial that ran then has 0 epochs."""
    known: Ended = {}
    for line in lines:
        told = line.get("told", {"ended": []})
        known |= {index: (status, epochs) for index, status, epochs in told["ended"]}
    running = lines[-1].get("told", {"running": []})["running"] if lines else []
    return known | dict.fromkeys(running, ("running", 0))


def to_tell(told: Ended, trials: Mapping[int, tuple[Config, Sequence[float]]]) -> list[Told]:
    """The trials that were told, as the sampler takes them, in plan order.

    Args:
        told: index to status and number of epochs.
        trials: index to the configuration and the value of each committed epoch.
    """
    found = []
    for index, (status, epochs) in sorted(told.items()):
        config, values = trials[index]
        found.append(Told(config, status, values[:epochs]))  # type: ignore[arg-type]
    return found


def curves(run: ledger.Run) -> dict[int, tuple[Config, Sequence[float]]]:
    return {trial.index: (trial.config, trial.values) for trial in run.trials}
