"""Measures how many trials an engine should train at once: `--engine auto` trains 1, 2, 4, ... trials for a moment.

A process without Ray trains copies of one trial: the trial with the most FLOPs in a batch among those that have not ended.
"""

import json
import subprocess
import threading
from dataclasses import replace

from search.backend import resources
from search.backend.gpu_sharing import best, heaviest, task
from search.run.ledger import Run
from search.settings import AUTO, MOST_IN_ENGINE, Settings
from trainables.cli import child
from trainables.errors import UsageError
from trainables.files.durable import Record

LIMIT = 9.0  # seconds for all of it, the start of the process included
SECONDS = 0.3  # of training that are counted for each number
MOST_ON_CPU = 4  # where more trials in a thread bring nothing


def settled(settings: Settings, run: Run) -> tuple[Settings, str | None]:
    """Replace `auto` by the measured number of trials. Also return a sentence about this for the user, or None.

    Raises:
        UsageError: the measurement would have to run on another machine.
    """
    if settings.engine is None:
        return settings, None
    if not run.identity.has_images:
        return replace(
            settings, engine=None
        ), "--engine has no effect: this space trains by itself, so each trial runs in its own process"
    if settings.engine != AUTO:
        return settings, None
    on_gpu = resources.uses_gpu(settings)
    if settings.address and not on_gpu:
        raise UsageError("--engine auto measures on this machine, which has no GPU. Give a number, such as 16.")
    left = [trial.config for trial in run.trials if not trial.ended]
    if not left:
        return replace(settings, engine=1), None
    classes = len(run.identity.classes)
    config = heaviest(left, classes)
    found = measured(task(config, settings, run, "cuda" if on_gpu else "cpu") | {"numbers": numbers(on_gpu)})
    return replace(settings, engine=best(found)), said(found)


def numbers(on_gpu: bool) -> list[int]:
    """The numbers of trials to measure: 1, 2, 4, ..., up to the most that an engine may train at once."""
    most = MOST_IN_ENGINE if on_gpu else MOST_ON_CPU
    return [1 << power for power in range(most.bit_length())]


def measured(asked: Record, limit: float = LIMIT) -> dict[int, float]:
    """Images per second of all trials together, for each number that fits into memory and was measured in time."""
    process = subprocess.Popen(
        child.command("trainables.engine.measure"), env=child.environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    end = threading.Timer(limit, process.kill)
    end.start()
    try:
        lines = process.communicate(json.dumps(asked | {"seconds": SECONDS}) + "\n")[0].splitlines()
    finally:
        end.cancel()
        process.kill()
        process.wait()
    return {int(number): float(rate) for number, rate in map(str.split, lines)}


def said(found: dict[int, float]) -> str:
    """The measurement as a sentence."""
    each = ", ".join(f"{count}: {rate:,.0f} images/s" for count, rate in sorted(found.items()))
    return f"trials in one engine: {each or f'none was ready in {LIMIT:g} s'}; --engine {best(found)}"
