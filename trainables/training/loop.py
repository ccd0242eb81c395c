"""The epoch loop: a generator that is a pure function of configuration, data and seed. No Ray, files or global state.

At the start of each epoch all random generators are seeded from a hash of (seed, epoch). One generator of the trial draws the
order of the images and their augmentation, another one draws dropout (trainables/training/step.py). So an epoch needs no
history of random numbers. A trial continued from its state gives the rows of a trial that was never stopped, on the same kind
of device and with the same number of threads.
"""

import copy
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.config import NEUTRAL
from trainables.data.loading import Dataset
from trainables.hardware.precision import settle
from trainables.objective import Objective
from trainables.training import own_metrics
from trainables.training.augmentations import normalise
from trainables.training.average import Average
from trainables.training.class_metrics import MEASURES, measure
from trainables.training.definition import Training
from trainables.training.optimizers import Optimizer, base_rates, load_optimizer, make_optimizer
from trainables.training.schedules import learning_rate
from trainables.training.shared import as_tensor, pixel_scale, shared, untrained
from trainables.training.step import Step, autocast, batch_sizes

EVALUATION_PIXELS = 1000 * 32 * 32  # pixels of a batch of images where no gradient is kept

Metrics = dict[str, Any]


class Diverged(Exception):
    """The loss stopped being a finite number."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"non-finite loss in epoch {epoch}")
        self.epoch = epoch


@dataclass(frozen=True)
class Best:
    """The best epoch so far by the objective, the earliest on ties."""

    epoch: int
    value: float  # of the objective
    predicted: Tensor  # int64 (validation images,), like the weights still on the device of the network
    weights: dict[str, Tensor]

    @classmethod
    def of_state(cls, state: Mapping[str, Any], objective: Objective) -> "Best":
        """The best epoch as a resume state holds it."""
        best = state["best"]
        return cls(best["epoch"], best[objective.column], best["predicted"], best["weights"])

    def on_host(self) -> "Best":
        """A copy with all tensors on the CPU."""
        return Best(self.epoch, self.value, self.predicted.cpu(), on_host(self.weights))

    def state(self, objective: Objective) -> dict[str, Any]:
        """The best epoch in the form of a resume state: tensors on the CPU, the value under the objective's column."""
        best = self.on_host()
        return {
            "epoch": best.epoch,
            objective.column: best.value,
            "predicted": best.predicted,
            "weights": best.weights,
        }


@dataclass(frozen=True)
class Epoch:
    """The result of one epoch: its row of the ledger, the best epoch so far, and everything needed to continue training."""

    metrics: Metrics
    best: Best
    model: nn.Module
    optimizer: Optimizer
    device: str
    objective: Objective
    average: Average | None = None  # of the weights, if the average is validated

    def state(self) -> dict[str, Any]:
        """The resume state. Take it before the next epoch starts, because it refers to tensors that training changes."""
        return {
            "epoch": self.metrics["epoch"],
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best.state(self.objective),
        } | ({"average": self.average.state_dict()} if self.average else {})


class Course:
    """One trial in memory: network, optimizer, average and step, and the best epoch so far.

    An epoch consists of `step.begin`, one call of the step for each of its sizes, `evaluate`, and `result`. Only `result` waits
    for the device.

    Attributes:
        report: float64 (4,), written by `evaluate`: train_loss, train_accuracy, val_loss and val_accuracy.
        predicted: int64 (validation images,), written by `evaluate`: the predicted classes.
    """

    def __init__(
        self,
        training: Training,
        state: Mapping[str, Any] | None = None,
        known: Mapping[int, float] | None = None,
        *,
        keeps_weights: bool = False,
    ) -> None:
        settle(training.device)
        self.training, self.known, self.shared = training, known or {}, shared(training.data, training.device)
        images, config = self.shared, training.config
        self.model = images.untrained(training) if keeps_weights else untrained(training)
        images.whiten(self.model)
        self.optimizer = make_optimizer(config, self.model)
        self.average = averaged(config, self.model, len(training.data.train.labels))
        self.best = restore(state, self.model, self.optimizer, self.average, training.objective) if state else None
        self.step = Step(training, self.model, self.optimizer, images.train, images.scale)
        self.left = range(1 + (state["epoch"] if state else 0), config["epochs"] + 1)
        labels = images.val[1]
        self.report = torch.zeros(4, dtype=torch.float64, device=labels.device)
        self.predicted = torch.zeros_like(labels)

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and kept: the average if there is one."""
        return self.average.model if self.average else self.model

    @torch.inference_mode()
    def evaluate(self) -> None:
        """Write the results of the epoch into `report` and `predicted`, on the device.

        Nothing is read back from the device, so the call can be captured as a CUDA graph.
        """
        images, labels = self.shared.val
        with self.step.with_own_random():
            logits = predict_resident(self.judged, images, self.shared.scale, self.training.precision)
        torch.argmax(logits, 1, out=self.predicted)
        loss, right = F.cross_entropy(logits, labels).double(), (self.predicted == labels).double().mean()
        self.report[:2] = self.step.means()
        self.report[2:] = torch.stack([loss, right])

    def result(self, epoch: int, report: Tensor) -> "Epoch":
        """The Epoch made from a report of `evaluate`; the best epoch so far is updated.

        Raises:
            Diverged: a loss is not finite.
        """
        names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
        found = dict(zip(names, report.tolist(), strict=True))
        if not np.isfinite([found["train_loss"], found["val_loss"]]).all():
            raise Diverged(epoch)
        rate = learning_rate(self.training.config, base_rates(self.optimizer)[0], epoch - 1)
        metrics: Metrics = {"epoch": epoch} | found | self.judged_by() | {"lr": rate}
        objective = self.training.objective
        value = self.known.get(epoch, metrics[objective.column])
        if self.best is None or objective.is_better(value, self.best.value):
            self.best = Best(epoch, value, self.predicted.clone(), copy_weights(self.judged))
        return Epoch(metrics, self.best, self.model, self.optimizer, self.training.device, objective, self.average)

    def judged_by(self) -> Metrics:
        """The value of the objective under its column, if it is not already in the report. Waits for the device."""
        objective = self.training.objective
        if not objective.source and (objective.column not in MEASURES or objective.is_accuracy):
            return {}
        labels, predicted = (each.cpu().numpy() for each in (self.shared.val[1], self.predicted))
        if objective.source:
            return {objective.column: own_metrics.measure(objective.source, labels, predicted)}
        return {objective.column: measure(objective.column, labels, predicted, len(self.training.data.classes))}


def train(
    training: Training,
    *,
    state: Mapping[str, Any] | None = None,
    known: Mapping[int, float] | None = None,
    on_batch: Callable[[int, int], None] | None = None,
) -> Generator[Epoch]:
    """Train for config["epochs"] epochs, or for the epochs after a resume state, and yield an Epoch after each.

    Args:
        state: the resume state of an earlier Epoch of this training.
        known: objective values of epochs that were trained before. The best epoch is chosen by these values, also where an
            epoch comes out differently when it is trained again, as it may on a GPU.
        on_batch: called after each batch with the number of batches done and the number of batches of the epoch.

    Yields:
        An Epoch with metrics: epoch (from 1), train_loss and val_loss (nats per image; train_loss is the mean over the epoch
        while the weights change), train_accuracy and val_accuracy (0 to 1), lr (of the epoch's first step).

    Raises:
        Diverged: a loss is not finite; that epoch is not yielded.
    """
    course = Course(training, state, known)
    for epoch in course.left:
        train_epoch(course.step, course.average, epoch, on_batch)
        course.evaluate()
        yield course.result(epoch, course.report)


def averaged(config: Mapping[str, Any], model: nn.Module, images: int) -> Average | None:
    """The average of a network's weights if the configuration has an `ema` above 0. Older configurations have no `ema`."""
    horizon = config.get("ema", NEUTRAL["ema"])
    return Average(model, horizon, len(batch_sizes(images, config["batch_size"]))) if horizon else None


def train_epoch(step: Step, average: Average | None, epoch: int, on_batch: Callable[[int, int], None] | None) -> None:
    """Train one epoch: one pass over the training images. Nothing is read back from the device."""
    step.begin(epoch)
    for number, size in enumerate(step.sizes, 1):
        step(size)
        if average and epoch > 1:
            average.after(number)
        if on_batch:
            on_batch(number, len(step.sizes))
    if average and epoch == 1:
        average.start()


def predict(model: nn.Module, images: np.ndarray, data: Dataset, device: str, precision: str) -> np.ndarray:
    """Logits float32 (N, classes) of uint8 images (N, S, S, 3)."""
    logits = predict_resident(model, as_tensor(images).to(device), pixel_scale(data, device), precision)
    return logits.cpu().numpy()


def at_once(images: Tensor) -> int:
    """The number of images (N, S, S, 3) in a batch where no gradient is kept."""
    return max(1, EVALUATION_PIXELS // (images.shape[1] * images.shape[2]))


@torch.inference_mode()
def predict_resident(model: nn.Module, images: Tensor, scale: tuple[Tensor, Tensor], precision: str) -> Tensor:
    """Logits float32 (N, classes) of uint8 images (N, S, S, 3) that are already on the device. Draws no random number."""
    model.eval()
    parts = []
    for batch in images.split(at_once(images)):
        with autocast(images.device, precision):
            parts.append(model(normalise(batch, *scale)).float())
    return torch.cat(parts)


def restore(
    state: Mapping[str, Any], model: nn.Module, optimizer: Optimizer, average: Average | None, objective: Objective
) -> Best:
    """Load a resume state into network, optimizer and average, and return its best epoch. The state is not changed."""
    model.load_state_dict(state["model"])
    if average:
        average.load_state_dict(state["average"])
    load_optimizer(optimizer, copy.deepcopy(state["optimizer"]))  # or the optimizer would go on inside them
    return Best.of_state(state, objective)


def validated(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of a resume state with which its epoch was validated: the average if there is one."""
    weights: dict[str, Tensor] = state.get("average", state["model"])
    return weights


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the network's present weights and buffers on their device, contiguous as safetensors needs them."""
    return {
        name: weight.detach().clone(memory_format=torch.contiguous_format)
        for name, weight in model.state_dict().items()
    }


def on_host(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights on the CPU, moved in one transfer per dtype. Weights that are already on the CPU are not copied."""
    moved = {name: weight for name, weight in weights.items() if weight.device.type == "cpu"}
    for kind in {weight.dtype for weight in weights.values()}:
        some = {name: weight for name, weight in weights.items() if name not in moved and weight.dtype == kind}
        if some:
            block = torch.cat([weight.reshape(-1) for weight in some.values()]).cpu()
            parts = block.split([weight.numel() for weight in some.values()])
            moved |= {name: part.view(some[name].shape).clone() for name, part in zip(some, parts, strict=True)}
    return {name: moved[name] for name in weights}
