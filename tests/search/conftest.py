"""A search that is asked for, without Ray and without images on disk."""

from dataclasses import replace
from pathlib import Path

import pytest

from search.settings import Settings
from spaces import Space, choice
from trainables.files import durable

SPACE = Space(
    params={"model": "mlp", "lr": choice(0.1, 0.2, 0.3), "schedule": "constant"}, baseline={"lr": 0.2}, epochs=4
)


USUAL = Settings(
    space_name="made_up", space=SPACE, dataset="toy", dataset_short="toy", fallback=None, cache=Path("cache"),
    algorithm="grid", scheduler="none",
)  # fmt: skip


@pytest.fixture(scope="session")
def settings():
    """Settings for a grid of three rates; call with what should be different."""
    return lambda **changes: replace(USUAL, **changes)


@pytest.fixture
def begun_as():
    """Call with a run folder and a version of its rule: as an older program would have begun it."""
    return begin_as


def begin_as(place, version):
    identity, totals = durable.read_json(place / "run.json"), durable.read_lines(place / "totals.jsonl")
    identity["scheduler"] |= {"version": version}
    if version == 1:
        del identity["scheduler"]["version"]
    for name in ("run.json", "totals.jsonl"):
        (place / name).unlink()
    durable.write_json(place / "run.json", identity)
    durable.append(place / "totals.jsonl", *({key: line[key] for key in line if key != "rungs"} for line in totals))
