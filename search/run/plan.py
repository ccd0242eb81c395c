"""Which configurations are tried, in which order. Point i depends on the space, the seed and i alone.

A larger number of trials therefore only appends, and a search that was interrupted draws the same points again. The points of
an adaptive algorithm depend on the results of earlier trials as well, so they are drawn while the search runs
(search/run/growth.py).
"""

import itertools
from collections.abc import Iterator, Sequence

from search.algorithms.base import Planned
from search.algorithms.table import load
from search.records import Totals
from spaces import Point, Space
from trainables.config import key_of, trial_id
from trainables.files.durable import Record
from trainables.seeds import derive


def default_algorithm(space: Space) -> str:
    return "grid" if space.is_grid else "random"


def size(space: Space, algorithm: str, asked: int | None) -> int:
    """The number of points: what is asked for, or the default of the algorithm; see `Algorithm.size` and `Grid.size`.

    Raises:
        SpaceError: a grid over an interval.
    """
    return load(algorithm).size(space, asked)


def draw(space: Space, algorithm: str, count: int, seed: int, warm: Sequence[Point] = ()) -> list[Record]:
    """The first `count` points as lines of trials.jsonl, on the run's own seed: baseline, then warm, then drawn ones.

    For an adaptive algorithm, only the baseline and the warm points, which are known beforehand.

    Args:
        warm: points of an earlier run, tried right after the baseline.

    Raises:
        SpaceError: a grid over an interval, or a space with fewer different points than asked for.
    """
    points = itertools.islice(distinct(space, algorithm, seed, warm), count)
    return [entry(index, space, point, source, seed) for index, (point, source) in enumerate(points)]


def entry(index: int, space: Space, point: Point, source: str, seed: int) -> Record:
    """One line of trials.jsonl; the number of epochs is not part of it, because it may grow."""
    config = space.config(point)
    del config["epochs"]
    return {"index": index, "id": trial_id(config, seed), "config": config, "seed": seed, "source": source}


def on_first_fold(line: Record, folds: int) -> Record:
    """The line of a point in a search with folds: its first trial is of the first fold."""
    return {**line, "fold": 1} if folds else line


def order(history: Sequence[Totals]) -> list[tuple[int, int]]:
    """Point and replicate of each trial of a search, in the order in which they are planned.

    Each line of totals.jsonl adds, point by point, the trials that it asks for and no line before asked for. A search that
    grows therefore only appends. Whether --num-samples or --seeds grew first changes the order of the trials and nothing else.
    """
    asked = (itertools.product(range(line.trials), range(line.seeds)) for line in history)
    return list(dict.fromkeys(itertools.chain.from_iterable(asked)))


def replicate_seed(seed: int, replicate: int) -> int:
    """The trial seed of replicate r = 0, 1, ... of every point: the run's own seed first."""
    return derive(seed, "replicate", replicate) if replicate else seed


def replicates(points: Sequence[Record], history: Sequence[Totals], seed: int) -> list[Record]:
    """The lines of trials.jsonl for these points, each on as many seeds as were asked for.

    The lines end before the first planned point that is not among `points`: that point has not been drawn yet.
    """
    known = itertools.takewhile(lambda place: place[0] < len(points), order(history))
    return [replica(points[point], index, seed, replicate) for index, (point, replicate) in enumerate(known)]


def first_lines(lines: Sequence[Record], history: Sequence[Totals]) -> list[Record]:
    """The first line of each point among the lines of a search."""
    return [line for line, (_, replicate) in zip(lines, order(history), strict=False) if not replicate]


def replica(line: Record, index: int, seed: int, replicate: int) -> Record:
    """The line of a point for one replicate: on the seed of the replicate and, if there are folds, its fold.

    Only the line of the first replicate holds what an algorithm was told.
    """
    trial_seed = replicate_seed(seed, replicate)
    found = {**line, "index": index, "id": trial_id(line["config"], trial_seed), "seed": trial_seed}
    if "fold" in line:
        found["fold"] = replicate + 1
    if replicate:
        found.pop("told", None)
    return found


def distinct(space: Space, algorithm: str, seed: int, warm: Sequence[Point]) -> Iterator[tuple[Point, str]]:
    """Points that may be trained, each with its source; no configuration comes twice."""
    seen: set[str] = set()

    def is_new(point: Point) -> bool:
        config = space.config(point)
        if key_of(config) in seen or space.refusal(config) is not None:
            return False
        seen.add(key_of(config))
        return True

    given = [(dict(space.baseline), "baseline"), *((point, "warm") for point in warm)]
    yield from ((point, source) for point, source in given if is_new(point))
    chosen = load(algorithm)
    if isinstance(chosen, Planned):
        yield from ((point, algorithm) for point in chosen.points(space, seed, len(seen), is_new))
