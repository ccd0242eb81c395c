"""The epoch loop: a pure function of configuration, data and seed, written as a generator. No Ray, no files, no global state.

Every random choice is drawn anew at the start of an epoch from a hash of (seed, epoch): the order of the images and their
augmentation from a generator of their own, dropout from torch's. So an epoch needs no history of random numbers, and a trial
continued from its state gives, on the same kind of device and number of threads, the rows it would have given.
"""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.config import trial_id, trial_id_of_schema_1
from trainables.data.loading import Dataset, Split
from trainables.models.networks import Whitening, build
from trainables.objective import ACCURACY, Objective
from trainables.seeds import derive
from trainables.training.augmentations import Batch, augment, normalise
from trainables.training.optimizers import Optimizer, make_optimizer, plain_step, set_rates
from trainables.training.schedules import learning_rate

EVALUATION_BATCH = 1000  # images at once where no gradient is kept

Metrics = dict[str, Any]
Resident = tuple[Tensor, Tensor]  # images uint8 (N, 32, 32, 3) and labels int64 (N,) on the device


@dataclass(frozen=True)
class Training:
    """What a trial is: the same one gives the same rows, on the same kind of device and number of threads.

    Attributes:
        config: complete, see trainables.config.
        precision: "bf16" for bfloat16 autocast, "fp32" for none.
        objective: what its best epoch is chosen by.
    """

    config: Mapping[str, Any]
    data: Dataset
    _: KW_ONLY
    seed: int
    device: str
    precision: str
    objective: Objective = ACCURACY

    @property
    def id(self) -> str:
        """The name of its configuration and seed."""
        return trial_id(self.config, self.seed)

    @property
    def names(self) -> tuple[str, str]:
        """The ids that a state of it may have: today's, and that of schema 1."""
        return self.id, trial_id_of_schema_1(self.config, self.seed)


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
    objective: Objective = ACCURACY

    def state(self) -> dict[str, Any]:
        """The resume state. Take it before the next epoch starts: it refers to the live tensors."""
        return {
            "epoch": self.metrics["epoch"],
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best.state(self.objective),
        }


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
    torch.manual_seed(derive(training.seed, "weights"))
    model = build(config, len(data.classes)).to(device).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(config, model)
    train_set, val_set = resident(data.train, device), resident(data.val, device)
    scale = pixel_scale(data, device)
    fit_whitening(model, train_set[0], scale)
    best, objective = restore(state, model, optimizer, training.objective) if state else None, training.objective

    for epoch in range(1 + (state["epoch"] if state else 0), config["epochs"] + 1):
        metrics = {"epoch": epoch} | train_epoch(training, model, optimizer, train_set, scale, epoch, on_batch)
        logits = predict_resident(model, val_set[0], scale, training.precision)
        metrics |= val_metrics(logits, val_set[1]) | {"lr": learning_rate(config, epoch - 1)}
        if not np.isfinite([metrics["train_loss"], metrics["val_loss"]]).all():
            raise Diverged(epoch)
        value = (known or {}).get(epoch, metrics[objective.column])
        if best is None or objective.is_better(value, best.value):
            best = Best(epoch, value, logits.argmax(1).cpu(), copy_weights(model))
        yield Epoch(metrics, best, model, optimizer, device, objective)


def train_epoch(
    training: Training,
    model: nn.Module,
    optimizer: Optimizer,
    train_set: Resident,
    scale: tuple[Tensor, Tensor],
    epoch: int,
    on_batch: Callable[[int, int], None] | None,
) -> Metrics:
    """One pass over the training images. Nothing is read back from the device before its end."""
    config, device = training.config, train_set[0].device
    torch.manual_seed(derive(training.seed, "dropout", epoch))
    generator = torch.Generator(device).manual_seed(derive(training.seed, "images", epoch))
    order = torch.randperm(len(train_set[1]), device=device, generator=generator)
    batches = split_order(order, config["batch_size"])
    model.train()
    update = plain_step(optimizer)
    totals = torch.zeros(2, dtype=torch.float64, device=device)  # a list of small tensors would tear the heap to pieces
    for step, chosen in enumerate(batches):
        set_rates(optimizer, config, epoch - 1 + step / len(batches))
        images, labels = (
            part.index_select(0, chosen) for part in train_set
        )  # copies whole images: 40 times faster than [chosen]
        batch = augment(config["augment"], images, labels, *scale, generator)
        with autocast(device, training.precision):
            logits = model(batch.images)
        loss = mixed_loss(logits.float(), batch, config["label_smoothing"])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        update()
        totals[0] += loss.detach() * len(chosen)
        totals[1] += mixed_hits(logits.detach(), batch)
        if on_batch:
            on_batch(step + 1, len(batches))
    train_loss, train_accuracy = (totals / len(order)).tolist()
    return {"train_loss": train_loss, "train_accuracy": train_accuracy}


def split_order(order: Tensor, batch_size: int) -> list[Tensor]:
    """Consecutive batches; a trailing single image joins the batch before it, because batch normalisation needs two."""
    batches = list(order.split(batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def mixed_loss(logits: Tensor, batch: Batch, label_smoothing: float) -> Tensor:
    """Mean cross-entropy against both labels of each image by their weight."""
    if batch.weight is None:
        return F.cross_entropy(logits, batch.labels, label_smoothing=label_smoothing)
    first = F.cross_entropy(logits, batch.labels, label_smoothing=label_smoothing, reduction="none")
    second = F.cross_entropy(logits, batch.others, label_smoothing=label_smoothing, reduction="none")
    return (batch.weight * first + (1 - batch.weight) * second).mean()


def mixed_hits(logits: Tensor, batch: Batch) -> Tensor:
    """How many images were right, a mixed image by the weight of the label that was hit."""
    predicted = logits.argmax(1)
    first = (predicted == batch.labels).float()
    if batch.weight is None:
        return first.sum()
    second = (predicted == batch.others).float()
    return (batch.weight * first + (1 - batch.weight) * second).sum()


def val_metrics(logits: Tensor, labels: Tensor) -> Metrics:
    """Loss and accuracy of logits (N, C)."""
    return {
        "val_loss": F.cross_entropy(logits, labels).item(),
        "val_accuracy": (logits.argmax(1) == labels).double().mean().item(),
    }


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


def restore(state: Mapping[str, Any], model: nn.Module, optimizer: Optimizer, objective: Objective) -> Best:
    """Put a state back; the tensors of the state itself are left alone."""
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))  # or the optimizer would go on inside them
    return Best.of_state(state, objective)


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


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
