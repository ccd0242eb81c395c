"""A search's own parts tried in a child process before Ray starts: a mistake is one line within seconds."""

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from spaces import Space
from trainables.cli import child
from trainables.config import Config
from trainables.errors import SpaceError
from trainables.parts import calling, named
from trainables.parts.family import FAMILIES
from trainables.seeds import derive

PATIENCE = 120.0  # seconds for two batches of each configuration
DRAWS = 1000  # points among which each part is looked for


def rehearse(space: Space, classes: int, folder: Path | None, metric: str = "", precision: str = "fp32") -> list[str]:
    """Train each own part of a space for two batches; a line for each thing that is probably not meant.

    Args:
        folder: of the user's code.
        metric: the user's own, by its name; empty for one of ours.
        precision: "bf16" or "fp32", that of the search.

    Raises:
        SpaceError: the first mistake, with the user's file and line.
    """
    configs = list(configurations(space))
    if not configs and not metric:
        return []
    asked = {
        "configs": configs,
        "classes": classes,
        "metric": metric,
        "precision": precision,
        "folder": str(folder) if folder else None,
    }
    try:
        done = subprocess.run(
            child.command("trainables.trial.rehearsal"), input=json.dumps(asked), env=child.environment(), capture_output=True,
            text=True, timeout=PATIENCE,
        )  # fmt: skip
        answer = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        raise SpaceError(
            f"two batches of each own part took longer than {PATIENCE:.0f} s. Try fewer or smaller ones."
        ) from None
    except (IndexError, ValueError):
        last = next(iter(done.stderr.strip().splitlines()[-1:]), f"exit code {done.returncode}")
        raise SpaceError(f"the own parts ended the process that tried them: {last}") from None
    if answer["error"]:
        raise SpaceError(answer["error"])
    return list(answer["warnings"])


def configurations(space: Space) -> Iterator[Config]:
    """For each own part a configuration that has it; as few as are found in order."""
    seen: set[tuple[str, str]] = set()
    for config in candidates(space):
        own = {(key, calling.chosen(family, config)) for key, family in FAMILIES.items()}
        own = {(key, text) for key, text in own if not named.is_built_in(text)} - seen
        if own:
            seen |= own
            yield config


def candidates(space: Space) -> Iterator[Config]:
    """The baseline, and points from all over the space."""
    yield space.config(space.baseline)
    if not space.own_parts:
        return
    dice = random.Random(derive("rehearsal"))
    for _ in range(DRAWS):
        yield space.config(space.at([dice.random() for _ in space.axes]))
