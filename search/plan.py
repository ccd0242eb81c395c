"""Which configurations are tried, in which order. Point i depends on the space, the seed and i alone.

So a larger number of trials only appends, and a search that was interrupted draws the same points again.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

from spaces import Choice, Space
from trainables.config import complete, derive, trial_id
from trainables.durable import Record
from trainables.errors import SpaceError

ALGORITHMS = ("grid", "random")
ATTEMPTS = 1000  # draws of one point before a space counts as used up


def default_algorithm(space: Space) -> str:
    return "grid" if space.is_grid else "random"


def size(space: Space, algorithm: str, asked: int | None) -> int:
    """The number of trials: what is asked for, at most the grid; all of a grid or the space's own number by default.

    Raises:
        SpaceError: a grid over an interval.
    """
    if algorithm == "grid":
        check_grid(space)
        return min(asked or space.grid_size, space.grid_size)
    return asked or space.samples


def draw(space: Space, algorithm: str, count: int, seed: int) -> list[Record]:
    """The first `count` points as lines of trials.jsonl, the baseline first, on the run's own seed.

    Raises:
        SpaceError: a grid over an interval, or a space with fewer different points than asked for.
    """
    points = grid(space) if algorithm == "grid" else sample(space, seed)
    return [
        entry(index, space, point, source, seed)
        for index, (point, source) in enumerate(itertools.islice(points, count))
    ]


def entry(index: int, space: Space, point: Record, source: str, seed: int) -> Record:
    """One line of trials.jsonl; the number of epochs is not part of it, because it may grow."""
    config = complete({**space.constants, **point})
    del config["epochs"]
    return {"index": index, "id": trial_id(config, seed), "config": config, "seed": seed, "source": source}


def order(history: Sequence[Record]) -> list[tuple[int, int]]:
    """Point and replicate of each trial of a search, in the order in which they are planned.

    Each line of totals.jsonl adds, point by point, what it asks for and the lines before it did not. So a search that grows
    only appends, and which of --num-samples and --seeds grew first changes the order of the trials and nothing else.
    """
    asked = (itertools.product(range(totals["trials"]), range(totals["seeds"])) for totals in history)
    return list(dict.fromkeys(itertools.chain.from_iterable(asked)))


def replicate_seed(seed: int, replicate: int) -> int:
    """The trial seed of replicate r = 0, 1, ... of every point: the run's own seed first."""
    return derive(seed, "replicate", replicate) if replicate else seed


def replicates(points: Sequence[Record], history: Sequence[Record], seed: int) -> list[Record]:
    """The lines of trials.jsonl for these points, each on as many seeds as were asked for."""
    lines = []
    for index, (point, replicate) in enumerate(order(history)):
        line, trial_seed = points[point], replicate_seed(seed, replicate)
        lines.append({**line, "index": index, "id": trial_id(line["config"], trial_seed), "seed": trial_seed})
    return lines


def check_grid(space: Space) -> None:
    """Raises SpaceError for a space that has more points than can be listed."""
    if not space.is_grid:
        open_ended = [key for key, value in space.searched.items() if not isinstance(value, Choice)]
        raise SpaceError(f"a grid needs choices, but {', '.join(open_ended)} has a range. Use --algo random.")


def grid(space: Space) -> Iterator[tuple[Record, str]]:
    """The baseline, then every other combination, the last parameter changing fastest."""
    check_grid(space)
    baseline = dict(space.baseline)
    yield baseline, "baseline"
    for values in itertools.product(*(value.bounds() for value in space.searched.values())):
        point = dict(zip(space.searched, values, strict=True))
        if point != baseline:
            yield point, "grid"


def sample(space: Space, seed: int) -> Iterator[tuple[Record, str]]:
    """The baseline, then random points, none twice."""
    seen = {key_of(dict(space.baseline))}
    yield dict(space.baseline), "baseline"
    for index in itertools.count(1):
        point = next((drawn for drawn in redraws(space, seed, index) if key_of(drawn) not in seen), None)
        if point is None:
            raise SpaceError(f"the space has only {index} different points. Ask for at most --num-samples {index}.")
        seen.add(key_of(point))
        yield point, "random"


def redraws(space: Space, seed: int, index: int) -> Iterator[Record]:
    """Point `index`, and what takes its place if it was drawn before."""
    for attempt in range(ATTEMPTS):
        dice = random.Random(derive(seed, "point", index, attempt))
        yield {key: value.at(dice.random()) for key, value in space.searched.items()}


def key_of(point: dict[str, Any]) -> str:
    return repr(sorted(point.items()))
