"""Sources of the rows of a trial's ledger: the training of a network on images here, a user's own training elsewhere."""

import contextlib
import io
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import safetensors.torch

from trainables.data.loading import Dataset
from trainables.errors import SpaceError
from trainables.files import durable
from trainables.files.durable import Record
from trainables.models import cost
from trainables.objective import Objective
from trainables.parts import calling, named
from trainables.parts.family import FAMILIES, METRIC
from trainables.training.definition import Training
from trainables.training.loop import Best, Epoch, train
from trainables.trial import timing
from trainables.trial.latency import latency

REPEATED = "repeated.jsonl"  # in a trial's folder: epochs that came out differently when a user's code was run again
State = Mapping[str, Any]
OnBatch = Callable[[int, int], None]
Source = Callable[..., Generator[Epoch]]  # with the arguments of `train`


class Passed(Protocol):
    """The interface of a trained epoch: its row and its resume state."""

    @property
    def metrics(self) -> Record:
        """The row of the epoch in the ledger."""

    def state(self) -> dict[str, Any] | None:
        """The resume state; take it before the next epoch starts. None if a killed trial has to begin again."""


class Rows(Protocol):
    """The interface of a source of a trial's rows, which trains one epoch after another."""

    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def objective(self) -> Objective: ...
    @property
    def device(self) -> str: ...
    @property
    def images(self) -> int:
        """The number of training images of an epoch; 0 for training without images."""

    @property
    def must_match(self) -> bool:
        """Whether an epoch that comes out differently when it is trained again is an error."""

    @property
    def id(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]:
        """The ids under which a resume state of this trial may be saved."""

    def epochs(self, state: State | None, known: Mapping[int, float], on_batch: OnBatch | None) -> Generator[Passed]:
        """Train and yield the epochs that follow a resume state, or all epochs without one.

        Raises:
            Diverged: a loss, or the objective of a user's own training, is not a finite number.
            UsersError: the user's code raised an exception.
        """

    def begun(self, folder: Path) -> None:
        """Note facts that nobody can know without the user's code. Called after epoch 1, before its row is written."""

    def trained(self, folder: Path, last: Passed, seconds: float) -> None:
        """Measure what is measured once a trial. Called after the last epoch, `seconds` after this process began to train."""

    def keep(self, folder: Path, last: Passed | None, state: State | None) -> None:
        """Write the files that a finished trial keeps beside its ledger; `last` is None if no epoch was left to train."""

    def differs(self, folder: Path, committed: Record, again: Record) -> None:
        """Note that an epoch came out differently when it was trained again; the committed row stands."""


class UsersError(Exception):
    """Wraps an exception of the user's code, so that an OSError in it is not taken for a fault of the machine."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True)
class NetworkRows:
    """The rows of a network that is trained on images, by `train` or by a source with the arguments of `train`."""

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
        """Whether a part or the metric is not built in; such code may give other numbers when it is run again."""
        return not calling.is_all_built_in(self.config, FAMILIES) or bool(self.objective.source)

    @property
    def id(self) -> str:
        return self.training.id

    @property
    def names(self) -> tuple[str, ...]:
        return self.training.names

    def epochs(self, state: State | None, known: Mapping[int, float], on_batch: OnBatch | None) -> Generator[Epoch]:
        """See Rows. A part that cannot be imported is no fault of the configuration; a network that cannot be built is."""
        for family in FAMILIES.values():
            named.load(family, calling.chosen(family, self.config))
        if self.objective.source:
            named.load(METRIC, self.objective.source)
        try:
            yield from self.source(self.training, state=state, known=known, on_batch=on_batch)
        except SpaceError as error:
            raise UsersError(error) from error

    def begun(self, folder: Path) -> None:
        """Note the parameters and FLOPs of a network for which there is no formula, such as a user's own."""
        if not cost.has_formula(self.config):
            with contextlib.suppress(SpaceError):  # it can be trained, but not be made without numbers
                timing.note(folder, cost.of(self.config, len(self.training.data.classes))._asdict())

    def trained(self, folder: Path, last: Any, seconds: float) -> None:
        """Measure and note the latency of one image."""
        facts = {"precision": self.training.precision, "device": last.device}
        found = latency(last.model, self.training.data, last.device, self.training.precision, seconds)
        timing.note(folder, {"latency_seconds": round(found, 7), **facts})

    def keep(self, folder: Path, last: Any, state: State | None) -> None:
        """Write weights and predictions of the best epoch."""
        best = last.best if last else Best.of_state(state or {}, self.objective)
        save_best(folder, best, self.training.data, self.objective)

    def differs(self, folder: Path, committed: Record, again: Record) -> None:
        """Note a repeated epoch that differs. If a user's code ran on a CPU, record durably that the run is not exact."""
        if self.device == "cpu" and self.has_own_code:
            not_exact(folder, committed, again)
        timing.note_repeated(folder, again)


def not_exact(folder: Path, committed: Record, again: Record) -> None:
    """Append both rows of an epoch that a user's code gave to repeated.jsonl; the committed row stands."""
    durable.append(folder / REPEATED, {"epoch": committed["epoch"], "committed": committed, "again": again})


def save_best(folder: Path, best: Best, data: Dataset, objective: Objective) -> None:
    """Write the weights of the best epoch, and its validation predictions with the labels, which needs no images to judge."""
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
