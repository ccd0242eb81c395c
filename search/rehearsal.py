"""Try a user's parts, loop or program in a child process before Ray starts: a mistake becomes one line within seconds."""

import contextlib
import json
import os
import random
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.settings import Settings
from spaces import Space
from trainables.cli import child
from trainables.config import Config
from trainables.errors import SpaceError
from trainables.own.code import FOLDER
from trainables.parts import calling, named
from trainables.parts.family import FAMILIES
from trainables.seeds import derive

PATIENCE = 120.0  # seconds for two batches of each configuration, or for the first epoch of own training
DRAWS = 1000  # points among which each part is looked for
Say = Callable[[str], None]


@dataclass(frozen=True)
class Tried:
    """The result of a first epoch that was tried before the search.

    Attributes:
        notes: lines that the user should know.
        seconds: of the epoch and its preparation; None if the epoch was not seen to its end.
    """

    notes: list[str] = field(default_factory=list)
    seconds: float | None = None


def unsaid(what: str) -> None:
    """A `say` that prints nothing."""


def rehearse(
    space: Space, classes: int, folder: Path | None, metric: str = "", precision: str = "fp32", say: Say = unsaid
) -> list[str]:
    """Train each of the user's own parts in a space for two batches; return a line for each thing that is probably not meant.

    Args:
        folder: of the user's code.
        metric: the name of the user's own metric; empty for a metric of ours.
        precision: "bf16" or "fp32", that of the search.
        say: called with what is tried, before the try, because a child that imports torch may take a while.

    Raises:
        SpaceError: the first mistake, with the user's file and line.
    """
    configs = list(configurations(space))
    if not configs and not metric:
        return []
    names = ", ".join(dict.fromkeys(name for config in configs for _, name in sorted(own_parts(config)))) or metric
    say(f"{names} on two batches" if configs else metric)
    asked = {
        "configs": configs,
        "classes": classes,
        "metric": metric,
        "precision": precision,
        "folder": str(folder) if folder else None,
    }
    try:
        with tempfile.TemporaryDirectory() as place:
            answer = answered("trainables.trial.rehearsal", asked, Path(place), "your own part")
    except subprocess.TimeoutExpired:
        return [
            f"{names}: not fully checked: two batches of each took longer than {PATIENCE:.0f} s. The search starts all the same; "
            "a mistake in them appears in its trials"
        ]
    return list(answer["warnings"])


def rehearse_training(settings: Settings, device: str, say: Say = unsaid) -> Tried:
    """Train the first epoch of the baseline with the user's loop or program, from a copy of the code as trials will have it.

    Nothing is tried for a cluster, because its nodes may have what this machine lacks. Nothing is tried if the run holds this
    code already, because the code was tried before the run took it.

    Raises:
        SpaceError: the mistake, with the user's file and line.
    """
    space, code = settings.space, settings.code
    assert code is not None, "own training has code"
    if settings.address or (settings.folder / FOLDER / code.hash).is_dir():
        return Tried()
    say(f"the first epoch of {settings.space_name}'s baseline")
    with tempfile.TemporaryDirectory() as folder:
        code.keep(Path(folder))
        asked = {
            "training": space.training,
            "config": space.config(space.baseline) | {"epochs": settings.epochs or space.epochs},
            "objective": settings.objective.record(),
            "seed": settings.seed,
            "device": device,
            "threads": settings.cpus_per_trial,
            "code": str(code.folder(Path(folder))),
            "folder": str(Path(folder) / "trial"),
        }
        try:
            found = answered("trainables.own.rehearsal", asked, Path(folder), "your code")
        except subprocess.TimeoutExpired:
            return Tried([f"your code was not tried to the end: its first epoch took longer than {PATIENCE:.0f} s"])
    return Tried(found["notes"], found["seconds"])


def answered(module: str, asked: Mapping[str, Any], place: Path, what: str) -> dict[str, Any]:
    """Run a module in a child process and return its answer; the whole process group is ended afterwards.

    Args:
        place: a folder for the module's answer, and for what the user's code prints.
        what: the thing that is tried, for the error.

    Raises:
        SpaceError: the module found a mistake, or its process ended without an answer.
        subprocess.TimeoutExpired: the module takes longer than PATIENCE.
    """
    path = place / "answer.json"
    with (place / "said.txt").open("w") as said:  # no pipe, which a process that the code leaves behind would hold open
        process = subprocess.Popen(
            [*child.command(module), str(path)], env=child.environment(), stdin=subprocess.PIPE,
            stdout=said, stderr=said, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            process.communicate(json.dumps(asked), timeout=PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if not path.exists():
        last = (place / "said.txt").read_text("utf-8", errors="replace").strip().splitlines()[-1:]
        why = f"{exit_of(process)}{''.join(f': {line}' for line in last)}"
        raise SpaceError(f"{what} ended the process that tried it: {why.rstrip('. ')}. Correct the code.")
    answer: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if answer["error"]:
        raise SpaceError(answer["error"])
    return answer


def exit_of(process: subprocess.Popen[str]) -> str:
    code = process.returncode
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def configurations(space: Space) -> Iterator[Config]:
    """Configurations that together contain each of the user's parts; each adds a part that those before it lack."""
    seen: set[tuple[str, str]] = set()
    for config in candidates(space):
        own = own_parts(config) - seen
        if own:
            seen |= own
            yield config


def own_parts(config: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The kinds and names of the user's own parts of a configuration."""
    chosen = {(key, calling.chosen(family, config)) for key, family in FAMILIES.items()}
    return {(key, text) for key, text in chosen if not named.is_built_in(text)}


def candidates(space: Space) -> Iterator[Config]:
    """The configuration of the baseline and, if the space has own parts, of DRAWS random points from the whole space."""
    yield space.config(space.baseline)
    if not space.own_parts:
        return
    dice = random.Random(derive("rehearsal"))
    for _ in range(DRAWS):
        yield space.config(space.at([dice.random() for _ in space.axes]))
