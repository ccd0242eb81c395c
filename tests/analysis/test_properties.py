"""What holds for every run: order of lines does not matter, each trial is there once, no NaN, tables keep their shape."""

import dataclasses
import json
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from analysis.ranking.standing import stand
from analysis.results import page, rows
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
STATUSES = ("finished", "finished", "finished", "stopped", "diverged", "failed", "planned", "running")
trials = st.lists(
    st.tuples(
        st.sampled_from(STATUSES),
        st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.97, 1.0]), max_size=4),
        st.floats(1e-4, 0.1),
    ),
    max_size=8,
    unique_by=lambda drawn: drawn[2],  # a plan has no configuration twice
)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def build(trial: Make, run: MakeRun, drawn: list[tuple[str, list[float], float]], seeds: int = 1) -> Run:
    """A run of these trials; `seeds` trials after each other are of one configuration."""
    made = []
    for place, (status, values, _) in enumerate(drawn):
        whole = values or ([] if status in ("planned", "failed", "diverged") else [0.5])
        own = [] if status == "planned" else whole
        one = trial(place, own, status, epochs=4, lr=drawn[place - place % seeds][2])
        made.append(dataclasses.replace(one, seed=place % seeds, id=f"{one.id}{place}"))
    found = run(made, total=len(made), space_params={"lr": "loguniform(0.0001, 0.1)"})
    return dataclasses.replace(found, totals=dataclasses.replace(found.totals, seeds=seeds, epochs=4))


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        return [number for each in (value.values() if isinstance(value, dict) else value) for number in numbers(each)]
    return [value] if isinstance(value, float) else []


@pytest.mark.slow
@few
@given(drawn=trials, seeds=st.sampled_from([1, 1, 2, 3]), dice=st.randoms(use_true_random=False))
def test_a_run_renders_the_same_in_any_order_of_lines(
    trial: Make, run: MakeRun, drawn: Any, seeds: int, dice: random.Random
) -> None:
    found = build(trial, run, drawn, seeds)
    shuffled = dataclasses.replace(found, trials=dice.sample(found.trials, len(found.trials)))
    text = page.render(found)
    assert page.render(shuffled) == text
    assert page.render(found) == text
    assert "nan" not in text.replace("finance", "").lower().split()


@few
@given(drawn=trials, seeds=st.sampled_from([1, 2, 3]))
def test_every_trial_is_a_record_once_and_no_number_is_nan(trial: Make, run: MakeRun, drawn: Any, seeds: int) -> None:
    found = build(trial, run, drawn, seeds)
    records = rows.all_records(stand(found))
    assert sorted(record["index"] for record in records) == list(range(len(drawn)))
    assert all(math.isfinite(number) for number in numbers(records))
    json.dumps(records, allow_nan=False)


@few
@given(name=st.text(max_size=20), value=st.text(max_size=20), error=st.text(max_size=40))
def test_any_unicode_keeps_every_table_in_shape(trial: Make, run: MakeRun, name: str, value: str, error: str) -> None:
    found = build(trial, run, [("finished", [0.5], 0.1), ("finished", [0.9], 0.01), ("failed", [], 0.02)])
    for place, one in enumerate(found.trials):
        one.config["augment"] = f"{value}{place}"
    found.trials[2].outcome.update(error=error, where=error)  # type: ignore[union-attr]
    text = page.render(
        dataclasses.replace(found, identity=dataclasses.replace(found.identity, space=name, classes=[name] * 10))
    )
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    widths: list[list[int]] = []
    for token in tokens:
        if token.type == "table_open":
            widths.append([])
        elif token.type == "tr_open":
            widths[-1].append(0)
        elif token.type in ("th_open", "td_open"):
            widths[-1][-1] += 1
    assert len(widths) >= 3
    assert all(len(set(rows)) == 1 for rows in widths)
