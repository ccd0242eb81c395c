"""Makes the rows of a trial from a user's own training, as run.json describes the training."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainables.files.durable import Record
from trainables.objective import Objective
from trainables.own.command import CommandRows
from trainables.own.loop import LoopRows
from trainables.trial.rows import Rows


def rows(
    record: Record, config: Mapping[str, Any], objective: Objective, seed: int, device: str, *, code: Path, folder: Path,
    until: int, stopping: Callable[[], bool] = lambda: False,
) -> Rows:  # fmt: skip
    """The source of a trial's rows: a user's loop or a user's program.

    Args:
        record: {"train": "module:function"} or {"command": [...]}, as run.json has it.
        code: the folder of the user's code.
        folder: the folder of the trial.
        until: the last epoch to train now.
        stopping: whether the search was asked to stop.
    """
    if "train" in record:
        return LoopRows(config, objective, seed, device, function=record["train"])
    command, place = record["command"], folder.resolve()
    return CommandRows(
        config, objective, seed, device, command=command, code=code, folder=place, until=until, stopping=stopping
    )
