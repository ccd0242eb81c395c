"""Train trials in the engine and by `train`, and hash the weights, averages and states of a trial after its last epoch."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from trainables.config import complete
from trainables.engine import lanes as lanes_module
from trainables.engine.engine import Engine, Work
from trainables.engine.lanes import HostLane, Lane
from trainables.training.average import tensors
from trainables.training.definition import Training
from trainables.training.loop import Epoch, train
from trainables.training.optimizers import states


@dataclass
class Outcome:
    """The outcome of one trial.

    Attributes:
        rows: the metrics of its epochs.
        bits: the hash of weights, averages and optimizer states after the last epoch.
        called: why the engine called its steps and did not replay them as graphs; None if the engine gave no reason.
        error: the error that ended it.
        laid_aside: how many times it had to wait because memory ran out.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    bits: str = ""
    called: str | None = None
    error: str | None = None
    laid_aside: int = 0

    @property
    def key(self) -> str:
        return json.dumps([self.rows, self.bits])


def config(model: str, **knobs: Any) -> dict[str, Any]:
    return complete({"model": model, "schedule": "cosine", **knobs})


def by_train(training: Training) -> Outcome:
    """Train one trial with `train`, without the engine."""
    found = Outcome()
    for epoch in train(training):
        hear(found, epoch, training)
    return found


def hear(found: Outcome, epoch: Epoch, training: Training) -> bool:
    """Keep an epoch's row, and at the last epoch the hash; return True, because the trial goes on."""
    found.rows.append(epoch.metrics)
    if epoch.metrics["epoch"] < training.config["epochs"]:
        return True
    average = tensors(epoch.average.model) if epoch.average else []
    found.bits = digest([*tensors(epoch.model), *average, *states(epoch.optimizer).values()])
    return True


def in_engine(
    lanes: Sequence[Lane],
    trainings: Iterable[Training],
    also: Callable[[Epoch], object] | None = None,
    drive: Callable[[Engine], None] = Engine.run,
) -> list[Outcome]:
    """Train trials in the engine, as many at once as there are lanes; return their outcomes in order.

    Args:
        also: a function that gets each epoch as well.
        drive: a function that runs the engine.
    """
    found: list[Outcome] = []

    def work(training: Training, mine: Outcome) -> Work:
        def heard(epoch: Epoch) -> bool:
            if also:
                also(epoch)
            return hear(mine, epoch, training)

        def ended(error: Exception | None) -> None:
            mine.error = f"{type(error).__name__}: {error}"[:500] if error else None

        def noted(why: str) -> None:
            mine.called = why

        def again() -> Work:
            mine.laid_aside += 1
            mine.rows.clear()
            return work(training, mine)

        return Work(training=training, heard=heard, ended=ended, noted=noted, again=again)

    todo = iter(trainings)

    def take() -> Work | None:
        training = next(todo, None)
        if training is None:
            return None
        found.append(Outcome())
        return work(training, found[-1])

    drive(Engine(lanes, take))
    return found


def digest(values: Iterable[Tensor]) -> str:
    """A hash of the bits of tensors in their order."""
    found = hashlib.sha256()
    for value in values:
        found.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


class Called:
    """A lane that captures nothing, so that all steps are called, with the stream of another lane."""

    captures = False

    def __init__(self, lane: Lane) -> None:
        self.within, self.mark, self.capture = lane.within, lane.mark, lane.capture
        self.retries, self.release = lane.retries, lane.release


def made(device: str, count: int) -> list[Lane]:
    """Lanes for the whole sitting; lanes on a CPU capture as lanes on a GPU do."""
    if device == "cpu":
        return [HostLane(captures=True) for _ in range(count)]
    return lanes_module.lanes(device, count)


def same(one: str, other: str) -> str:
    """The word for a row that compares two texts."""
    return "identical" if one == other else "differs"


def difference(one: Outcome, other: Outcome) -> Mapping[str, Any]:
    """The last rows and hashes of two outcomes; empty if the outcomes are equal."""
    return {} if one.key == other.key else {"rows": [one.rows[-1:], other.rows[-1:]], "hashes": [one.bits, other.bits]}
