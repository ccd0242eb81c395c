"""Measure the steps of an epoch: the real loop, and its floor, the same network and optimizer on one batch in memory.

Beside this project, the measurement needs torch alone.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F

from trainables.config import complete
from trainables.data import loading
from trainables.models.networks import build
from trainables.training.augmentations import normalise
from trainables.training.definition import Training
from trainables.training.loop import train_epoch
from trainables.training.optimizers import make_optimizer, plain_step
from trainables.training.shared import shared
from trainables.training.step import Resident, Step, autocast

WARM_UP = 2  # batches that are not counted


class EnoughError(Exception):
    """Raised to end an epoch after the measured batches."""


@dataclass
class Side:
    """The network, optimizer and images of one model, which both the loop and its floor use."""

    training: Training
    model: torch.nn.Module
    optimizer: Any
    train_set: Resident
    scale: tuple[torch.Tensor, torch.Tensor]

    def loop(self, augmentation: str, batches: int) -> float:
        """Images per second in the first `batches` batches of a real epoch, including the epoch's start."""

        def count(done: int, _: int) -> None:
            if done == batches:
                synchronise(self.train_set[0].device)
                raise EnoughError

        config = {**self.training.config, "augment": augmentation}
        training = replace(self.training, config=config)
        step = Step(training, self.model, self.optimizer, self.train_set, self.scale)
        synchronise(self.train_set[0].device)
        started = time.perf_counter()
        try:
            train_epoch(step, None, 1, count)
        except EnoughError:
            return batches * config["batch_size"] / (time.perf_counter() - started)
        raise ValueError(f"{batches} batches of {config['batch_size']} are more than {len(self.train_set[1])} images")

    def floor(self, batches: int) -> float:
        """Images per second in `batches` steps on one fixed batch."""
        size = self.training.config["batch_size"]
        inputs, labels = normalise(self.train_set[0][:size], *self.scale), self.train_set[1][:size].clone()
        update = plain_step(self.optimizer)
        self.model.train()
        synchronise(inputs.device)
        started = time.perf_counter()
        for _ in range(batches):
            with autocast(inputs.device, self.training.precision):
                logits = self.model(inputs)
            loss = F.cross_entropy(logits.float(), labels)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            update()
        synchronise(inputs.device)
        return batches * size / (time.perf_counter() - started)


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done its work; a CPU needs no wait."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def prepared(config: Mapping[str, Any], images: loading.Dataset, precision: str, device: str = "cpu") -> Side:
    """An untrained network with its optimizer and images, made as `trainables.training.loop.train` makes them."""
    torch.manual_seed(0)
    whole = complete(config)
    model = build(whole, len(images.classes)).to(device).to(memory_format=torch.channels_last)
    given = shared(images, device)
    given.whiten(model)
    training = Training(whole, images, seed=0, device=device, precision=precision)
    return Side(training, model, make_optimizer(whole, model), given.train, given.scale)


def rounds(
    one: Side, augmentations: tuple[str, ...], batches: int, count: int
) -> Iterator[dict[str, tuple[float, float]]]:
    """Yield for each round, by augmentation, the images per second of the loop and of its floor.

    The floor is measured before and after each loop; its value is the mean over both in time.
    """
    one.floor(min(WARM_UP, batches))
    for name in augmentations:
        one.loop(name, min(WARM_UP, batches))
    for _ in range(count):
        found, before = {}, one.floor(batches)
        for name in augmentations:
            loop = one.loop(name, batches)
            after = one.floor(batches)
            found[name] = (loop, 2 / (1 / before + 1 / after))  # the floor's mean time
            before = after
        yield found
