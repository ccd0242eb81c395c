"""One step of training, the same on every device: gather, augment, forward, loss, backward, optimizer, totals.

It works from tensors that stay where they are. Which images and which rates are next follows from a counter on the device, and
every random number comes from generators of the trial's own. So nothing in it waits for the device, no number of Python's
changes from step to step (but for the size of an epoch's last batch), and trials in one process share no random state. On a CPU
the step is called; on a GPU it can be called, or captured once for each size of batch and replayed.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Generator, Tensor, nn

from trainables.models.layers.dropout import Dropout
from trainables.parts import calling
from trainables.parts.family import FAMILIES
from trainables.seeds import derive
from trainables.training.augmentations import augmentation
from trainables.training.definition import Training
from trainables.training.losses import mixed_hits, mixed_loss
from trainables.training.optimizers import Optimizer, base_rates, plain_step, rate_table
from trainables.training.own_random import OwnRandom

Resident = tuple[Tensor, Tensor]  # images uint8 (N, S, S, 3) and labels int64 (N,) on the device


class Step:
    """A step of one trial: `begin(epoch)`, then one call for each of `sizes`.

    Attributes:
        sizes: images of each batch of an epoch.
        totals: float64 (2,): sum over the epoch's images so far of their loss, and of the share of their labels that was right.
        order: int64 (N,), the images of the epoch in the order in which they are trained on.
    """

    def __init__(
        self,
        training: Training,
        model: nn.Module,
        optimizer: Optimizer,
        train_set: Resident,
        scale: tuple[Tensor, Tensor],
    ) -> None:
        self.training, self.model, self.optimizer, self.train_set = training, model, optimizer, train_set
        self.augment, self.update = augmentation(training.config, *scale), plain_step(optimizer)
        labels = train_set[1]
        counts = torch.zeros(len(training.data.classes), dtype=torch.int64, device=labels.device)
        counts.index_add_(0, labels, torch.ones_like(labels))
        self.loss, self.base = mixed_loss(training.config, counts), base_rates(optimizer)
        device, count, groups = train_set[0].device, len(train_set[1]), optimizer.param_groups
        self.sizes = batch_sizes(count, training.config["batch_size"])
        self.order, self.places = (torch.arange(size, device=device) for size in (count, max(self.sizes)))
        self.number = torch.zeros(1, dtype=torch.int64, device=device)  # steps done in this epoch
        self.table = torch.zeros(len(self.sizes), len(groups), device=device)  # rates of the epoch, a row for each step
        self.rates = torch.zeros(1, len(groups), device=device)  # those of this step
        self.totals = torch.zeros(2, dtype=torch.float64, device=device)
        self.images, self.dropout = Generator(device), Generator(device)
        self.own = None if calling.is_all_built_in(training.config, FAMILIES) else OwnRandom(device.type)
        for place, group in enumerate(groups):
            group["lr"] = self.rates[0, place]
        for module in model.modules():
            if isinstance(module, Dropout):
                module.generator = self.dropout

    def begin(self, epoch: int) -> None:
        """Make ready for an epoch, from 1. What is drawn in it is a function of the seed and the epoch."""
        seed, config = self.training.seed, self.training.config
        self.dropout.manual_seed(derive(seed, "dropout", epoch))
        self.images.manual_seed(derive(seed, "images", epoch))
        if self.own:
            self.own.seed(derive(seed, "own", epoch))
        torch.randperm(len(self.order), generator=self.images, out=self.order)
        self.table.copy_(rate_table(config, self.base, epoch, len(self.sizes)), non_blocking=True)
        self.number.zero_()
        self.totals.zero_()
        self.model.train()

    def __call__(self, size: int) -> None:
        """Train on the next `size` images."""
        with self.with_own_random():
            self._train(size)

    def with_own_random(self) -> AbstractContextManager[None]:
        """Where parts run that draw from global random states."""
        return self.own or nullcontext()

    def _train(self, size: int) -> None:
        config = self.training.config
        torch.index_select(self.table, 0, self.number, out=self.rates)
        chosen = self.order.index_select(0, self.places[:size].add(self.number, alpha=config["batch_size"]))
        # It copies whole images: 40 times faster than [chosen].
        images, labels = (part.index_select(0, chosen) for part in self.train_set)
        batch = self.augment(images, labels, self.images)
        with autocast(images.device, self.training.precision):
            logits = self.model(batch.images)
        loss = self.loss(logits.float(), batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.update()
        self.totals[0].add_(loss.detach(), alpha=size)
        self.totals[1].add_(mixed_hits(logits.detach(), batch))
        self.number.add_(1)

    def means(self) -> Tensor:
        """float64 (2,): mean loss and share of right answers of the images of a whole epoch."""
        return self.totals / len(self.order)


def batch_sizes(count: int, batch_size: int) -> list[int]:
    """Of the batches of an epoch; a trailing single image joins the one before it, because batch normalisation needs two."""
    sizes = [min(batch_size, count - first) for first in range(0, count, batch_size)]
    return [*sizes[:-2], sizes[-2] + 1] if len(sizes) > 1 and sizes[-1] == 1 else sizes


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """bfloat16 where it is faster and safe for "bf16", nothing for "fp32"."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
