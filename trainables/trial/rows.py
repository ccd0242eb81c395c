"""Where the rows of a trial come from: a network of ours that is trained on images, or training of the user's."""

import io
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import safetensors.torch

from trainables.data.loading import Dataset
from trainables.files import durable
from trainables.files.durable import Record
from trainables.models import cost
from trainables.objective import Objective
from trainables.parts import calling
from trainables.parts.family import FAMILIES
from trainables.training.definition import Training
from trainables.training.loop import Best, Epoch, train
from trainables.trial import timing
from trainables.trial.latency import latency

REPEATED = "repeated.jsonl"  # in a trial's folder: epochs of a user's code that came out differently when trained again
State = Mapping[str, Any]
OnBatch = Callable[[int, int], None]
Source = Callable[..., Generator[Epoch]]  # with the arguments of `train`


class Passed(Protocol):
    """An epoch that was trained."""

    @property
    def metrics(self) -> Record:
        """Its row of the ledger."""

    def state(self) -> dict[str, Any] | None:
        """What the next epoch needs, taken before it starts; none if the training begins again after a kill."""


class Rows(Protocol):
    """A source of the rows of a trial, one epoch after another."""

    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def objective(self) -> Objective: ...
    @property
    def device(self) -> str: ...
    @property
    def images(self) -> int:
        """That an epoch trains on; 0 where it has none."""

    @property
    def must_match(self) -> bool:
        """Whether an epoch that is trained again and comes out differently ends the search."""

    @property
    def id(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]:
        """The ids that a state of it may have."""

    def epochs(self, state: State | None, known: Mapping[int, float], on_batch: OnBatch | None) -> Generator[Passed]:
        """The epochs that a state leaves to do.

        Raises:
            Diverged: its value is no finite number.
            UsersError: the user's code raised an exception.
        """

    def begun(self, folder: Path) -> None:
        """The first epoch is over, its row is not written yet: note what others cannot know without executing the user's code."""

    def trained(self, folder: Path, last: Passed, seconds: float) -> None:
        """The last epoch is over: measure what is measured once, `seconds` after the training began."""

    def keep(self, folder: Path, last: Passed | None, state: State | None) -> None:
        """Write what a finished trial leaves beside its ledger; `last` is none if the state was of the last epoch."""

    def differs(self, folder: Path, committed: Record, again: Record) -> None:
        """An epoch came out differently when it was trained again; the committed row stands."""


class UsersError(Exception):
    """What the user's code raised, whatever it was: no fault of the machine, though it may be an OSError."""

    def __init__(self, cause: Exception | GeneratorExit) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True)
class NetworkRows:
    """A network of ours that is trained on images, by `train` or by what stands in for it."""

    training: Training
    source: Source = train

    @property
    def config(self) -> Mapping[str, Any]:
        return self.training.config

    @property
    def objective(self) -> Objective:
        return self.training.objective

    @property
    def device(self) -> str:
        return self.training.device

    @property
    def images(self) -> int:
        return len(self.training.data.train.labels)

    @property
    def must_match(self) -> bool:
        return self.device == "cpu" and not self.has_own_code

    @property
    def has_own_code(self) -> bool:
        """Whether a part or the metric is not ours: nobody can promise that it repeats."""
        return not calling.is_all_built_in(self.config, FAMILIES) or bool(self.objective.source)

    @property
    def id(self) -> str:
        return self.training.id

    @property
    def names(self) -> tuple[str, ...]:
        return self.training.names

    def epochs(self, state: State | None, known: Mapping[int, float], on_batch: OnBatch | None) -> Generator[Epoch]:
        return self.source(self.training, state=state, known=known, on_batch=on_batch)

    def begun(self, folder: Path) -> None:
        """Note parameters and FLOPs of a network of the user's."""
        if not cost.has_formula(self.config):
            timing.note(folder, cost.of(self.config, len(self.training.data.classes))._asdict())

    def trained(self, folder: Path, last: Any, seconds: float) -> None:
        """Note the latency of one image."""
        facts = {"precision": self.training.precision, "device": last.device}
        found = latency(last.model, self.training.data, last.device, self.training.precision, seconds)
        timing.note(folder, {"latency_seconds": round(found, 7), **facts})

    def keep(self, folder: Path, last: Any, state: State | None) -> None:
        """Write weights and predictions of the best epoch."""
        best = last.best if last else Best.of_state(state or {}, self.objective)
        save_best(folder, best, self.training.data, self.objective)

    def differs(self, folder: Path, committed: Record, again: Record) -> None:
        """Of a GPU that is a note; of a user's code on a CPU the run is not exact from now on, durably."""
        if self.device == "cpu" and self.has_own_code:
            not_exact(folder, committed, again)
        timing.note_repeated(folder, again)


def not_exact(folder: Path, committed: Record, again: Record) -> None:
    """Keep both rows of an epoch that a user's code gave; the committed one stands."""
    durable.append(folder / REPEATED, {"epoch": committed["epoch"], "committed": committed, "again": again})


def save_best(folder: Path, best: Best, data: Dataset, objective: Objective) -> None:
    """Weights and validation predictions of the best epoch, and the labels, so that these can be judged without the images."""
    best = best.on_host()
    predicted, kind = best.predicted.numpy(), np.min_scalar_type(len(data.classes))
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        predicted=predicted.astype(kind),
        labels=data.val.labels.astype(kind),
        correct=predicted == data.val.labels,
        epoch=best.epoch,
    )
    durable.write(folder / "val.npz", buffer.getvalue())
    weights = safetensors.torch.save(best.weights)
    durable.write_checked(folder / "best.safetensors", weights, epoch=best.epoch, **{objective.column: best.value})
