"""What a network costs, parameters and floating point operations per image, and which ones nothing beats at both ends."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.markdown import count
from search.ledger import Run, Trial
from trainables import cost

NAMES = ("params", "FLOPs")  # the columns of a leaderboard where they vary
MARK = "★"


def parameters(run: Run) -> dict[int, int]:
    """The number of parameters of each trial's network, by its place in the plan; empty if all have the same."""
    found = _by_index(run, "parameters")
    return found if len(set(found.values())) > 1 else {}


def cells(run: Run, board: pd.DataFrame, shown: pd.DataFrame) -> Mapping[int, Sequence[str]]:
    """The cells of the rows that are shown, by place in the plan; empty if all networks have the same size."""
    sizes = parameters(run)
    if not sizes:
        return {}
    operations, front = _by_index(run, "flops"), pareto(board, sizes)
    has_flops = not are_proportional(sizes, operations)
    return {
        index: [count(sizes[index]) + (f" {MARK}" if index in front else ""), operation_count(operations[index])][
            : 1 + has_flops
        ]
        for index in shown["index"]
    }


def are_proportional(sizes: Mapping[int, int], operations: Mapping[int, int]) -> bool:
    """Whether one says nearly all about the other: as in networks without convolutions, two operations for each parameter."""
    ratios = [operations[index] / sizes[index] for index in sizes]
    return max(ratios) < 1.05 * min(ratios)


def words(run: Run, costs: Mapping[int, Sequence[str]]) -> str:
    """What the columns are; where there are none, what every network costs."""
    if not costs:
        return of_all(run)
    has_flops = len(next(iter(costs.values()))) > 1
    flops = "of one image, forward, additions and multiplications" if has_flops else "in proportion to the parameters"
    return f"{MARK}: no row that is as small is as accurate. FLOPs: {flops}."


def of_all(run: Run) -> str:
    """What one network costs, if all cost the same."""
    sizes, operations = (set(of_trials(run.trials, run, what)) for what in ("parameters", "flops"))
    if len(sizes) != 1 or len(operations) != 1:
        return ""
    return f"Every network has {count(*sizes)} parameters and takes {operation_count(*operations)} FLOPs for an image."


def pareto(board: pd.DataFrame, sizes: Mapping[int, int]) -> set[int]:
    """The finished rows to which none is both at most as large and at least as good (and one of them strictly)."""
    finished = board[board["status"] == "finished"]
    order = sorted(
        zip(finished["index"], finished["val_accuracy"], strict=True), key=lambda row: (sizes[row[0]], -row[1], row[0])
    )
    front, best = set(), -1.0
    for index, value in order:
        if value > best:
            front.add(index)
            best = value
    return front


def front(run: Run, board: pd.DataFrame, trials: pd.DataFrame) -> set[int]:
    """The trials, by place in the plan, of the configurations on the Pareto front; none if all networks have the same size."""
    sizes = parameters(run)
    on_it = pareto(board, sizes) if sizes else set()
    groups = set(board["group"][board["index"].isin(on_it)])
    return set(trials["index"][trials["group"].isin(groups)])


def operation_count(number: int) -> str:
    """1.57 G."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.2f}{unit}"
    return str(number)


def _by_index(run: Run, what: str) -> dict[int, int]:
    return {trial.index: number for trial, number in zip(run.trials, of_trials(run.trials, run, what), strict=True)}


def of_trials(trials: Sequence[Trial], run: Run, what: str) -> list[int]:
    """Parameters or flops of the networks of trials of a run, computed once per architecture."""
    classes, compute = len(run.identity["classes"]), getattr(cost, what)
    architectures = [architecture(trial) for trial in trials]
    examples = dict(zip(architectures, trials, strict=True))
    computed = {key: compute(trial.config, classes) for key, trial in examples.items()}
    return [computed[key] for key in architectures]


SETTINGS = {"lr", "momentum", "weight_decay", "dropout", "label_smoothing", "epochs", "batch_size"}  # change no size


def architecture(trial: Trial) -> tuple[Any, ...]:
    """What may decide about the size of a network."""
    return tuple(pair for pair in trial.config.items() if pair[0] not in SETTINGS)
