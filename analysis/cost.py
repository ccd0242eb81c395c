"""What a network costs, parameters and floating point operations per image, and which ones nothing beats at both ends."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.markdown import count
from search.ledger import Run, Trial

COSTS = ("params", "FLOPs")  # the columns of a leaderboard where they vary
MARK = "★"


def parameters(run: Run) -> dict[int, int]:
    """The number of parameters of each trial's network, by its place in the plan; empty if all have the same."""
    found = _of_each(run, "parameters")
    return found if len(set(found.values())) > 1 else {}


def cells(run: Run, board: pd.DataFrame, shown: pd.DataFrame) -> Mapping[int, Sequence[str]]:
    """The cells of the rows that are shown, by place in the plan; empty if all networks have the same size."""
    sizes = parameters(run)
    if not sizes:
        return {}
    operations, front = _of_each(run, "flops"), pareto(board, sizes)
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


def words(costs: Mapping[int, Sequence[str]]) -> str:
    """What the columns are; nothing where there are none."""
    if not costs:
        return ""
    has_flops = len(next(iter(costs.values()))) > 1
    flops = "of one image, forward, additions and multiplications" if has_flops else "in proportion to the parameters"
    return f"{MARK}: no row that is as small is as accurate. FLOPs: {flops}."


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


def operation_count(number: int) -> str:
    """1.57 G."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.2f}{unit}"
    return str(number)


def _of_each(run: Run, what: str) -> dict[int, int]:
    """Parameters or flops of each trial's network, computed once per architecture; empty for a single trial."""
    if len(run.trials) < 2:
        return {}
    from trainables import cost  # only where something can vary

    computed: dict[tuple[Any, ...], int] = {}
    compute: Callable[[Any, int], int] = getattr(cost, what)
    found = {}
    for trial in run.trials:
        key = architecture(trial)
        if key not in computed:
            computed[key] = compute(trial.config, len(run.identity["classes"]))
        found[trial.index] = computed[key]
    return found


SETTINGS = {"lr", "momentum", "weight_decay", "dropout", "label_smoothing", "epochs", "batch_size"}  # change no size


def architecture(trial: Trial) -> tuple[Any, ...]:
    """What may decide about the size of a network."""
    return tuple(pair for pair in trial.config.items() if pair[0] not in SETTINGS)
