"""A search that is asked for, without Ray and without images on disk."""

from dataclasses import replace
from pathlib import Path

import pytest

from search.settings import Settings
from spaces import Space, choice

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
