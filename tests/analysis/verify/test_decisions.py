"""Whole rungs, replayed by the version of the rule that the run was started with."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from analysis.verify.decisions import Whole, is_rule
from analysis.verify.evidence import Evidence, Line
from search.run.decisions import halve
from search.stopping.rules import rule
from trainables.files import durable
from trainables.objective import ACCURACY

SHA = rule("sha") | {"version": 2}  # the last one that decided about one trial at a time
OLD = {key: value for key, value in SHA.items() if key != "version"}
SEVEN = {index: 0.1 * index for index in range(7)}  # trial to value: 20 of 27 diverged before


def decided(folder: Path, scheduler: Mapping[str, Any], *batches: tuple[int, Mapping[int, float], int]) -> list[Line]:
    """The decisions of whole rungs: the epoch, the values of all that reached it, and how many trials were planned."""
    path = folder / "decisions.jsonl"
    for epoch, values, planned in batches:
        halve(path, durable.read_lines(path), epoch, values, planned, dict(scheduler), ACCURACY)
    return [Line(f"decisions.jsonl:{place}", each) for place, each in enumerate(durable.read_lines(path), 1)]


def wrong(folder: Path, scheduler: Mapping[str, Any], lines: list[Line], counts: Iterable[int]) -> list[str]:
    evidence = Evidence(folder)
    Whole(dict(scheduler), 0, lines, list(counts), ACCURACY).replay(evidence)
    return evidence.problems


@pytest.mark.parametrize(("made", "other", "going"), [(SHA, OLD, 7), (OLD, SHA, 3)])
def test_a_rung_is_replayed_by_the_version_of_its_run(
    tmp_path: Path, made: dict[str, Any], other: dict[str, Any], going: int
) -> None:
    lines = decided(tmp_path, made, (1, SEVEN, 27))
    assert sum(line.record["decision"] == "continue" for line in lines) == going
    assert wrong(tmp_path, made, lines, [27]) == []
    assert "replayed" in wrong(tmp_path, other, lines, [27])[0]


def test_a_rung_that_was_decided_again_is_replayed_with_the_number_of_trials_of_then(tmp_path: Path) -> None:
    """Of nine planned three go on, of 27 nine, all of them new; then twelve arrive at epoch 3 and three go on."""
    first = {index: 0.01 * index for index in range(9)}
    second = {index: 0.2 + 0.01 * index for index in range(9, 27)}
    last = {index: 0.5 - 0.01 * index for index in (6, 7, 8, *range(18, 27))}
    lines = decided(tmp_path, SHA, (1, first, 9), (1, first | second, 27), (3, last, 27))
    assert wrong(tmp_path, SHA, lines, [9, 27]) == []
    assert "replayed" in wrong(tmp_path, SHA, lines, [9])[0]
    assert "replayed" in wrong(tmp_path, SHA, lines, [27])[0]


@pytest.mark.parametrize(
    ("scheduler", "what"),
    [
        ({**SHA, "version": 4}, "version 4 of sha is not known"),
        ({**rule("asha"), "version": 2}, "version 2 of asha is not known"),
        ({**rule("epochs:2"), "version": "2"}, "version is '2'"),
    ],
)
def test_a_version_that_is_not_known_is_named(tmp_path: Path, scheduler: dict[str, Any], what: str) -> None:
    evidence = Evidence(tmp_path)
    assert not is_rule(evidence, "run.json:1", scheduler)
    assert evidence.problems == [f"run.json:1: {what}"]
    assert all(is_rule(evidence, "run.json:1", {**each}) for each in (SHA, OLD, rule("epochs:2"), rule("none")))
