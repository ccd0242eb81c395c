"""A space before it is searched: what --list-spaces and --show-space print."""

from collections.abc import Iterable

from tabulate import tabulate

import spaces
from search.algorithms.table import adaptive
from search.run import plan
from spaces import Space
from trainables.config import complete
from trainables.errors import SpaceError

SAMPLES = 5  # points that are shown


def listing() -> str:
    """A line for each space: its name, number of points and one sentence; for a broken file, what is wrong with the file."""
    return "".join(f"{name:<16} {summary(name)}\n" for name in spaces.names())


def summary(name: str) -> str:
    try:
        space = spaces.load(name)
        return f"{size(space):<10} {spaces.describe(name)}"
    except SpaceError as error:
        return f"{'broken':<10} {error}"


def size(space: Space) -> str:
    """Number of points of a grid; of other spaces, how many are tried."""
    algorithm = plan.default_algorithm(space)
    return f"{plan.size(space, algorithm, None)} {'points' if algorithm == 'grid' else 'random'}"


def show(name: str, text: str, space: Space, algorithm: str, seed: int) -> str:
    """The whole space as text: what is searched, fixed and left to defaults, what is probably not meant, and first points.

    The defaults are those of the baseline, because another model or optimizer may read other hyperparameters.

    Args:
        text: the docstring of the space's file.

    Raises:
        SpaceError: the algorithm cannot draw from the space.
    """
    searched = [(key, range_, space.baseline.get(key, "")) for key, range_ in space.searched.items()]
    fixed = [(key, value) for key, value in space.constants.items()]
    whole = {} if space.is_own else complete(space.config(space.baseline))
    left = [(key, value) for key, value in whole.items() if key not in space.params and key != "epochs"]
    facts = [
        ("points", size(space)), ("epochs", space.epochs), ("scheduler", space.scheduler),
        *([("constraint", space.constraint_text())] if space.constraint else []),
        *([("at most", f"{space.max_params:,} parameters")] if space.max_params else []),
    ]  # fmt: skip
    parts = [
        f"{name}: {text.strip().partition(chr(10))[0]}",
        table(searched, ("searched", "range", "baseline")),
        table(fixed, ("fixed", "value")),
        table(left, ("not set", "default")),
        table(facts, ()),
        samples(space, algorithm, seed),
        "\n".join(f"warning: {line}" for line in spaces.warnings(space)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def samples(space: Space, algorithm: str, seed: int) -> str:
    """The first points that a search with this seed would try; random ones for an adaptive algorithm."""
    shown = "random" if adaptive(algorithm) else algorithm
    lines = plan.draw(space, shown, min(SAMPLES, plan.size(space, shown, None)), seed)
    rows = [(line["source"], *(line["config"].get(key, "") for key in space.searched)) for line in lines]
    return table(rows, ("point", *space.searched))


def table(rows: Iterable[tuple[object, ...]], headers: tuple[str, ...]) -> str:
    cells = [[str(cell) for cell in row] for row in rows]
    return tabulate(cells, headers, tablefmt="plain", disable_numparse=True) if cells else ""
