"""Measures how many trials should share a GPU: `--gpus-per-trial auto` trains 1, 2, 4, ... trials on one GPU.

Copies of one trial train, each in its own process without Ray. It is the trial with the most FLOPs in a batch among those that
have not ended.
"""

import json
import select
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

from search.backend import resources
from search.run.ledger import Run
from search.settings import AUTO, Settings
from trainables.cli import child
from trainables.errors import UsageError
from trainables.files.durable import Record
from trainables.models.cost import flops

MOST = 8  # trials on one GPU
SECONDS = 4.0  # of training that are counted
PATIENCE = 300.0  # seconds for a GPU to start or to train; one that hangs must not keep the search
GAIN = 1.1  # twice as many trials must bring this many times the images per second, because each also takes memory


def settled(settings: Settings, run: Run) -> tuple[Settings, str | None]:
    """Replace `auto` by the measured fraction of a GPU. Also return a sentence about this for the user, or None.

    Raises:
        UsageError: the measurement would have to run on another machine.
    """
    if settings.gpus_per_trial != AUTO:
        return settings, None
    if not run.identity.has_images:
        return (
            replace(settings, gpus_per_trial=None),
            "--gpus-per-trial auto cannot measure a space that trains by itself: each trial gets a GPU where there is one",
        )
    left = [trial.config for trial in run.trials if not trial.ended]
    if left and settings.address and not resources.local_gpus():
        raise UsageError(
            "--gpus-per-trial auto measures on this machine, which has no GPU. Give a fraction, such as 0.5."
        )
    if not left or not resources.local_gpus():
        return replace(
            settings, gpus_per_trial=None
        ), "--gpus-per-trial auto: this machine has no GPU to share" if left else None
    classes = len(run.identity.classes)
    config = heaviest(left, classes)
    planned = run.totals.trials * run.totals.seeds - len(run.trials) + len(left)  # TPE plans them one by one
    found = paces(task(config, settings, run, "cuda"), counts(settings, max(planned, len(left))))
    return replace(settings, gpus_per_trial=1 / best(found)), said(found)


def counts(settings: Settings, trials: int) -> list[int]:
    """The numbers of trials to measure on one GPU: 1, 2, 4, ..., as far as there are trials, CPU cores and slots."""
    cpus = resources.local_cpus() // resources.local_gpus() // settings.cpus_per_trial
    most = min(MOST, trials, max(1, cpus), settings.max_concurrent or MOST)
    return [1 << power for power in range(most.bit_length())]


def heaviest(configs: Sequence[Record], classes: int) -> Record:
    """The configuration with the most FLOPs in a batch, which takes the most memory."""
    return max(configs, key=lambda each: flops(each, classes) * each["batch_size"])


def task(config: Record, settings: Settings, run: Run, device: str) -> Record:
    """The trial that the measuring process is to train, as trainables/trial/throughput.py reads it."""
    known = {key: getattr(run.identity, key) for key in ("fraction", "precision", "threads")}
    code = str(run.identity.code_of(run.folder.resolve()) or "")
    return {
        "config": config,
        "cache": str(settings.cache_of(config).resolve()),
        "device": device,
        "code": code,
        **known,
    }


def best(found: Mapping[int, float]) -> int:
    """The number of trials beyond which the next number is less than GAIN times as fast; 1 if nothing was measured."""
    chosen = 1
    for count in sorted(found)[1:]:
        if found[count] < GAIN * found[chosen]:
            break
        chosen = count
    return chosen


def said(found: Mapping[int, float]) -> str:
    """The measurement as a sentence."""
    measured = ", ".join(f"{count}: {rate:,.0f} images/s" for count, rate in sorted(found.items()))
    return f"trials on one GPU: {measured or 'none could train'}; --gpus-per-trial {1 / best(found):g}"


def paces(asked: Record, numbers: Sequence[int]) -> dict[int, float]:
    """Images per second of all processes together, for each number of processes that fits into the GPU's memory."""
    with ExitStack() as stack:
        started = [stack.enter_context(Worker(asked)) for _ in range(max(numbers))]
        ready = [worker for worker in started if worker.answer() is not None]
        found = {}
        for count in numbers:
            if count > len(ready):
                break
            rates = together(ready[:count])
            if None in rates:
                break
            found[count] = sum(float(rate) for rate in rates if rate)
        return found


def together(workers: Sequence["Worker"]) -> list[str | None]:
    """Let the workers train beside each other for SECONDS seconds; return the answer of each."""
    for worker in workers:
        worker.tell(str(SECONDS))
    return [worker.answer() for worker in workers]


class Worker:
    """A process that trains when it is told to."""

    def __init__(self, asked: Record) -> None:
        self._process = subprocess.Popen(
            child.command("trainables.trial.throughput"), env=child.environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self._process.stdin and self._process.stdout
        self._words, self._answers = self._process.stdin, self._process.stdout
        self.tell(json.dumps(asked))

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._words, self._answers):
            with suppress(OSError):  # what it was not told any more
                pipe.close()

    def tell(self, line: str) -> None:
        """Send a line to the process; do nothing if the process has died."""
        with suppress(BrokenPipeError):
            self._words.write(line + "\n")
            self._words.flush()

    def answer(self) -> str | None:
        """Read a line from the process; None if the process died, or said nothing for PATIENCE seconds."""
        if not select.select([self._answers], [], [], PATIENCE)[0]:
            return None
        return self._answers.readline().removesuffix("\n") or None
