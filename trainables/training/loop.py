"""The epoch loop: a pure function of configuration, data and seed, written as a generator. No Ray, no files, no global state.

Every random choice is drawn anew at the start of an epoch from a hash of (seed, epoch): the order of the images and their
augmentation from one generator, dropout from another, both the trial's own (trainables/training/step.py). So an epoch needs no
history of random numbers, and a trial continued from its state gives, on the same kind of device and number of threads, the
rows it would have given.
"""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.config import NEUTRAL
from trainables.data.loading import Dataset, Split
from trainables.models.networks import Whitening, build
from trainables.objective import ACCURACY, Objective
from trainables.seeds import derive
from trainables.training.augmentations import normalise
from trainables.training.average import Average
from trainables.training.class_metrics import measure
from trainables.training.definition import Training
from trainables.training.optimizers import Optimizer, make_optimizer
from trainables.training.schedules import learning_rate
from trainables.training.step import Resident, Step, autocast, batch_sizes

EVALUATION_BATCH = 1000  # images at once where no gradient is kept

Metrics = dict[str, Any]


class Diverged(Exception):
    """The loss stopped being a finite number."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"non-finite loss in epoch {epoch}")
        self.epoch = epoch


@dataclass(frozen=True)
class Best:
    """The best validation epoch so far, the earliest on ties."""

    epoch: int
    value: float  # of the objective
    predicted: Tensor  # int64 (validation images,)
    weights: dict[str, Tensor]

    @classmethod
    def of_state(cls, state: Mapping[str, Any], objective: Objective) -> "Best":
        """That of a resume state."""
        best = state["best"]
        return cls(best["epoch"], best[objective.column], best["predicted"], best["weights"])

    def state(self, objective: Objective) -> dict[str, Any]:
        """As a resume state has it: the value under the name of its column."""
        return {
            "epoch": self.epoch,
            objective.column: self.value,
            "predicted": self.predicted,
            "weights": self.weights,
        }


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: its row of the ledger, the best so far, and everything needed to go on from here."""

    metrics: Metrics
    best: Best
    model: nn.Module
    optimizer: Optimizer
    device: str
    objective: Objective
    average: Average | None = None  # of the weights, where that is what is validated

    def state(self) -> dict[str, Any]:
        """The resume state. Take it before the next epoch starts: it refers to the live tensors."""
        return {
            "epoch": self.metrics["epoch"],
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best.state(self.objective),
        } | ({"average": self.average.state_dict()} if self.average else {})


def train(
    training: Training,
    *,
    state: Mapping[str, Any] | None = None,
    known: Mapping[int, float] | None = None,
    on_batch: Callable[[int, int], None] | None = None,
) -> Iterator[Epoch]:
    """Train for config["epochs"] epochs, or those that state leaves to do, and yield after each.

    Args:
        state: of an earlier Epoch of the same training.
        known: value of epochs that were trained before. Where one comes out differently, as it may on a GPU, the best
            epoch is still chosen by these.
        on_batch: told after each batch how many of the epoch's batches are done.

    Yields:
        metrics: epoch (from 1), train_loss and val_loss (nats per image; train_loss is the mean over the epoch while the
        weights change), train_accuracy and val_accuracy (0 to 1), lr (of the epoch's first step).

    Raises:
        Diverged: a loss is not finite; that epoch is not yielded.
    """
    config, data, device = training.config, training.data, training.device
    train_set, val_set = resident(data.train, device), resident(data.val, device)
    scale = pixel_scale(data, device)
    model = untrained(training)
    fit_whitening(model, train_set[0], scale)
    optimizer = make_optimizer(config, model)
    average = averaged(config, model, len(data.train.labels))
    best = restore(state, model, optimizer, average, training.objective) if state else None
    step = Step(training, model, optimizer, train_set, scale)
    judged, objective = average.model if average else model, training.objective

    for epoch in range(1 + (state["epoch"] if state else 0), config["epochs"] + 1):
        metrics = {"epoch": epoch} | train_epoch(step, average, epoch, on_batch)
        logits = predict_resident(judged, val_set[0], scale, training.precision)
        metrics |= val_metrics(logits, val_set[1], objective) | {"lr": learning_rate(config, epoch - 1)}
        if not np.isfinite([metrics["train_loss"], metrics["val_loss"]]).all():
            raise Diverged(epoch)
        value = (known or {}).get(epoch, metrics[objective.column])
        if best is None or objective.is_better(value, best.value):
            best = Best(epoch, value, logits.argmax(1).cpu(), copy_weights(judged))
        yield Epoch(metrics, best, model, optimizer, device, objective, average)


def untrained(training: Training) -> nn.Module:
    """The network on its device, with weights that follow from the seed; torch's global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(training.seed, "weights"))
        model = build(training.config, len(training.data.classes))
    return model.to(training.device).to(memory_format=torch.channels_last)


def averaged(config: Mapping[str, Any], model: nn.Module, images: int) -> Average | None:
    """The average of its weights, where the configuration asks for it; those of older runs have no word for it."""
    horizon = config.get("ema", NEUTRAL["ema"])
    return Average(model, horizon, len(batch_sizes(images, config["batch_size"]))) if horizon else None


def train_epoch(
    step: Step, average: Average | None, epoch: int, on_batch: Callable[[int, int], None] | None
) -> Metrics:
    """One pass over the training images. Nothing is read back from the device before its end."""
    step.begin(epoch)
    for number, size in enumerate(step.sizes, 1):
        step(size)
        if average and epoch > 1:
            average.after(number)
        if on_batch:
            on_batch(number, len(step.sizes))
    if average and epoch == 1:
        average.start()
    loss, accuracy = step.means()
    return {"train_loss": loss, "train_accuracy": accuracy}


def val_metrics(logits: Tensor, labels: Tensor, objective: Objective = ACCURACY) -> Metrics:
    """Loss and accuracy of logits (N, C), and what the objective is if it is neither."""
    predicted, column = logits.argmax(1), objective.column
    found = {
        "val_loss": F.cross_entropy(logits, labels).item(),
        "val_accuracy": (predicted == labels).double().mean().item(),
    }
    if column not in found:
        found[column] = measure(column, labels.cpu().numpy(), predicted.cpu().numpy(), logits.shape[1])
    return found


def predict(model: nn.Module, images: np.ndarray, data: Dataset, device: str, precision: str) -> np.ndarray:
    """Logits float32 (N, classes) of uint8 images (N, 32, 32, 3)."""
    logits = predict_resident(model, as_tensor(images).to(device), pixel_scale(data, device), precision)
    return logits.cpu().numpy()


@torch.inference_mode()
def predict_resident(model: nn.Module, images: Tensor, scale: tuple[Tensor, Tensor], precision: str) -> Tensor:
    """Logits float32 (N, classes) of images that are on the device already. Draws no random number."""
    model.eval()
    parts = []
    for batch in images.split(EVALUATION_BATCH):
        with autocast(images.device, precision):
            parts.append(model(normalise(batch, *scale)).float())
    return torch.cat(parts)


def fit_whitening(model: nn.Module, images: Tensor, scale: tuple[Tensor, Tensor]) -> None:
    """Set what a network computes from its training images before it is trained; only speed_net has such a layer."""
    for module in model.modules():
        if isinstance(module, Whitening):
            some = images[:: -(-len(images) // module.IMAGES)]  # from all over: a folder of images is sorted by class
            module.fit(normalise(some, *scale))


def restore(
    state: Mapping[str, Any], model: nn.Module, optimizer: Optimizer, average: Average | None, objective: Objective
) -> Best:
    """Put a state back; the tensors of the state itself are left alone."""
    model.load_state_dict(state["model"])
    if average:
        average.load_state_dict(state["average"])
    optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))  # or the optimizer would go on inside them
    return Best.of_state(state, objective)


def validated(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights in a resume state that its epoch was validated with: the average where there is one."""
    weights: dict[str, Tensor] = state.get("average", state["model"])
    return weights


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights as they are now, buffers included, contiguous on the CPU as safetensors wants them."""
    return {
        name: weight.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, weight in model.state_dict().items()
    }


def resident(split: Split, device: str) -> Resident:
    """A split on the device: on the CPU the memory map itself, on a GPU a copy that stays there."""
    return as_tensor(split.images).to(device), as_tensor(split.labels).to(device)


def as_tensor(array: np.ndarray) -> Tensor:
    """A tensor over the memory of an array that nobody writes to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def pixel_scale(data: Dataset, device: str) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the training pixels as `normalise` wants them: 0 to 255, one for each byte of an image."""
    pixels = data.train.images[0].size // 3
    mean, std = (torch.tensor(values, device=device).mul(255).repeat(pixels) for values in (data.mean, data.std))
    return mean, std
