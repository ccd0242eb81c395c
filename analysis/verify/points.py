"""Check that every point in trials.jsonl is the point that the algorithm draws from the space and the seed.

An adaptive algorithm also draws from the results that it was told. Points are drawn again only where this is possible: the
space must still have the hash in run.json, and the libraries of an adaptive algorithm (Optuna for TPE) must have the versions
with which the points were drawn.
"""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import spaces
from analysis.verify.evidence import Evidence, Line, fault
from analysis.verify.trial import TrialFiles
from search.algorithms.base import Adaptive, Told
from search.algorithms.table import ALGORITHMS, adaptive
from search.records import Identity, Totals
from search.run import growth, plan
from search.status import ENDED
from spaces import Point, Space
from trainables.config import key_of
from trainables.errors import SpaceError
from trainables.files.durable import Record


def check_points(
    evidence: Evidence,
    identity: Identity,
    history: Sequence[Totals],
    lines: Sequence[Line],
    trials: Mapping[int, TrialFiles],
) -> None:
    """Draw every point again and compare it with the plan.

    Args:
        history: the lines of totals.jsonl.
        lines: the lines of trials.jsonl that belong to the search, without confirmations.
    """
    space = rebuilt(identity)
    warm = warm_points(identity, space) if space else None
    if space is None or warm is None or identity.algorithm not in ALGORITHMS:
        return
    firsts = [line for line, (_, replicate) in zip(lines, plan.order(history), strict=False) if not replicate]
    try:
        expected = plan.draw(space, identity.algorithm, len(firsts), identity.seed, warm)
    except SpaceError as error:
        evidence.wrong("trials.jsonl:1", f"more points than there are: {fault(error)}")
        return
    for line, point in zip(firsts, expected, strict=False):
        is_same = key_of(line.record["config"]) == key_of(point["config"])
        if not is_same or line.record["source"] != point["source"]:
            evidence.wrong(line.where, f"another point than the one that {identity.algorithm} draws")
    if algorithm := adaptive(identity.algorithm):
        check_grown(evidence, identity, algorithm, space, firsts[len(expected) :], len(expected), lines, trials)


def rebuilt(identity: Identity) -> Space | None:
    """The space as it was searched; None if its file has changed or is missing, or if the space is a user's code."""
    if identity.entry:
        return None  # a user's code is not executed here
    texts, limit = identity.set, identity.max_params
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return None
    try:
        space, _ = spaces.changed(spaces.load(identity.space), texts)
        if limit is not None:
            space = replace(space, max_params=limit, classes=len(identity.classes))
    except SpaceError:
        return None
    return space if identity.space_hash in (space.digest(), space.digest_of_schema_1()) else None


def warm_points(identity: Identity, space: Space) -> list[Point] | None:
    """The points of the warm start in run.json, an empty list without a warm start; None if they are not valid points."""
    warm = identity.warm_start or {"points": []}
    points = warm.get("points") if isinstance(warm, dict) else None
    if not isinstance(points, list) or not all(is_point(point, space) for point in points):
        return None
    return points


def is_point(point: Any, space: Space) -> bool:
    try:
        return bool(key_of(space.config(point))) and set(point) == set(space.ranges(point))
    except (SpaceError, TypeError):
        return False


def check_grown(
    evidence: Evidence, identity: Identity, algorithm: Adaptive, space: Space, drawn: Sequence[Line], first: int,
    lines: Sequence[Line], trials: Mapping[int, TrialFiles],
) -> None:  # fmt: skip
    """Draw each point of an adaptive algorithm again, from the results that the point's line says the algorithm was told.

    Args:
        drawn: the lines of these points.
        first: the number of the first of these points.
        lines: all lines of the search.
    """
    where = {line.where for line in drawn}
    if strangers := [line for line in lines if "told" in line.record and line.where not in where]:
        evidence.wrong(strangers[0].where, f"told, but no point of {identity.algorithm} was drawn here")
        return
    is_same = all(identity.versions.get(name) == importlib.metadata.version(name) for name in algorithm.libraries)
    own = identity.algorithm
    records = [line.record for line in lines]
    curves = {
        line.record["index"]: (line.record["config"], [trial.value(epoch) for epoch in range(1, 1 + len(trial.rows))])
        for line in lines
        if (trial := trials.get(line.record["index"]))
    }
    for number, line in enumerate(drawn, first):
        before = records[: records.index(line.record)]
        problem = untrue(line.record.get("told"), [*before, line.record], trials)
        if problem:
            evidence.wrong(line.where, f"told is wrong: {problem}")
            return  # nothing after it can be drawn
        told = growth.to_tell(growth.trials_told([*before, line.record]), curves)
        if line.record["source"] != own or (
            is_same and not is_drawn(algorithm, space, identity, number, told, line.record)
        ):
            evidence.wrong(line.where, f"another point than the one that {own} draws from what it was told")


def is_drawn(
    algorithm: Adaptive, space: Space, identity: Identity, number: int, told: list[Told], record: Record
) -> bool:
    try:
        found = space.config(algorithm.suggest(space, identity.seed, number, told, identity.objective))
    except SpaceError:
        return False
    return key_of(found) == key_of(record["config"])


def untrue(told: Any, lines: Sequence[Record], trials: Mapping[int, TrialFiles]) -> str | None:
    """The fault in `told`, the results that the last of these lines was told; None if the ledgers agree with `told`."""
    if (
        not isinstance(told, dict)
        or not isinstance(told.get("ended"), list)
        or not isinstance(told.get("running"), list)
    ):
        return f"it is {told!r}"
    for end in told["ended"]:
        if not isinstance(end, list) or [type(part) for part in end] != [int, str, int]:
            return f"{end!r} is not an index, a status and a number of epochs"
        index, status, epochs = end
        trial = trials.get(index)
        if trial is None or status not in ENDED or not 0 <= epochs <= len(trial.rows):
            return f"trial {index} is not {status} after {epochs} epochs"
        if status != "stopped" and (epochs, status) not in trial.outcomes:
            return f"trial {index} is not {status} after {epochs} epochs"
    if not all(type(index) is int for index in told["running"]):
        return "an index among the running trials is not a number"
    before = {line["index"] for line in lines[:-1]}
    if set(growth.trials_told(lines)) != before:
        return "not every earlier trial is in it, or another one"
    return None
