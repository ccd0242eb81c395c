"""The cost of a network: parameters, floating point operations per image, and the Pareto front of size and value."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.frame import valued
from analysis.render.markdown import NOTHING
from search.run.ledger import Trial
from trainables import written
from trainables.models import cost
from trainables.trial import timing
from trainables.written import count

NAMES = ("params", "FLOPs")  # the columns of a leaderboard where they vary
MARK = "★"
UNKNOWN = (None, None)


def parameters(board: pd.DataFrame) -> dict[int, int]:
    """The known numbers of parameters of the rows' networks, by place in the plan; empty if all are the same."""
    return by_index(board, "parameters") if board["parameters"].nunique() > 1 else {}


def by_index(board: pd.DataFrame, what: str) -> dict[int, int]:
    """The known parameters or flops of the rows, by place in the plan."""
    known = board[board[what].notna()]
    return dict(zip(known["index"].tolist(), known[what].tolist(), strict=True))


def cells(board: pd.DataFrame, shown: pd.DataFrame) -> Mapping[int, Sequence[str]]:
    """The cells about costs of the shown rows, by place in the plan; empty if all networks have the same size."""
    sizes = parameters(board)
    if not sizes:
        return {}
    operations, front = by_index(board, "flops"), pareto(board, sizes)
    has_flops = not are_proportional(sizes, operations)
    return {index: of_row(index, sizes, operations, front)[: 1 + has_flops] for index in shown["index"]}


def of_row(index: int, sizes: Mapping[int, int], operations: Mapping[int, int], front: set[int]) -> Sequence[str]:
    """The two cells of a row; a dash where a cost is not known."""
    size = count(sizes[index]) + (f" {MARK}" if index in front else "") if index in sizes else NOTHING
    return size, operation_count(operations[index]) if index in operations else NOTHING


def are_proportional(sizes: Mapping[int, int], operations: Mapping[int, int]) -> bool:
    """Whether the operations are nearly proportional to the parameters, so that one says all about the other.

    Networks without convolutions have two operations for each parameter. True also if no operations are known, because then there
    is nothing to say about them.
    """
    ratios = [operations[index] / sizes[index] for index in sizes if index in operations]
    return not ratios or max(ratios) < 1.05 * min(ratios)


def words(board: pd.DataFrame, costs: Mapping[int, Sequence[str]]) -> str:
    """Explain the columns of costs. Without these columns, name the cost that all networks share."""
    if not costs:
        return of_all(board)
    has_flops = len(next(iter(costs.values()))) > 1
    flops = "of one image, forward, additions and multiplications" if has_flops else "in proportion to the parameters"
    told = f" FLOPs: {flops}." if board["flops"].notna().any() else ""
    objective = valued.objective_of(board)
    better = f"a {written.better(objective)} {written.heading(objective)}"
    return f"{MARK}: no other finished row with as few parameters has {better}.{told}"


def of_all(board: pd.DataFrame) -> str:
    """What one network costs, if all cost the same."""
    known = board[["parameters", "flops"]]
    if known.isna().any(axis=None) or (known.nunique() != 1).any():
        return ""
    size, operations = map(int, known.iloc[0])
    return f"Every network has {count(size)} parameters and takes {operation_count(operations)} FLOPs for an image."


def pareto(board: pd.DataFrame, sizes: Mapping[int, int]) -> set[int]:
    """The finished rows of known size on the Pareto front of size and value, by their place in the plan.

    No finished row is both at most as large as a row on the front and better, or both smaller and at least as good. Of rows with
    the same size and value only the first in the plan is on the front.
    """
    finished = board[(board["status"] == "finished") & board["index"].isin(sizes)]
    values = valued.objective_of(finished).signed(valued.values(finished))
    order = sorted(zip(finished["index"], values, strict=True), key=lambda row: (sizes[row[0]], -row[1], row[0]))
    front, best = set(), -math.inf
    for index, value in order:
        if value > best:
            front.add(index)
            best = value
    return front


def front(board: pd.DataFrame, trials: pd.DataFrame) -> set[int]:
    """The trials, by place in the plan, of the configurations on the Pareto front; none if all networks have the same size."""
    sizes = parameters(board)
    on_it = pareto(board, sizes) if sizes else set()
    groups = set(board["group"][board["index"].isin(on_it)])
    return set(trials["index"][trials["group"].isin(groups)])


def operation_count(number: int) -> str:
    """A number of operations with its unit, such as 1.57G."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.2f}{unit}"
    return str(number)


def of_trials(trials: Sequence[Trial], classes: int) -> list[tuple[int | None, int | None]]:
    """Parameters and flops of the networks of trials, computed once per architecture.

    For own networks these are the numbers that the training noted. None where nothing is known: for an own network that has not
    finished an epoch, or whose note was lost in a power cut.
    """
    architectures = [architecture(trial) for trial in trials]
    examples = dict(zip(architectures, (trial.config for trial in trials), strict=True))
    computed: dict[Any, tuple[int | None, int | None]] = {
        key: (cost.parameters(config, classes), cost.flops(config, classes))
        for key, config in examples.items()
        if cost.has_formula(config)
    }
    for key, trial in zip(architectures, trials, strict=True):
        if computed.get(key, UNKNOWN) == UNKNOWN:
            computed[key] = timing.cost(trial.folder)
    return [computed[key] for key in architectures]


SETTINGS = {
    "lr",
    "momentum",
    "weight_decay",
    "dropout",
    "label_smoothing",
    "ema",
    "epochs",
    "batch_size",
}  # change no size


def architecture(trial: Trial) -> tuple[Any, ...]:
    """The hyperparameters that can decide the size of a network."""
    return tuple(pair for pair in trial.config.items() if pair[0] not in SETTINGS)
