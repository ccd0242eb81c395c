"""One step of training, the same on every device: gather, augment, forward, loss, backward, optimizer, totals.

All tensors of a step keep their place in memory. A counter on the device selects the next images and learning rates. Every
random number comes from the trial's own generators. So no step waits for the device, no Python number changes from step to step
(except the size of an epoch's last batch), and trials in one process share no random state. On a CPU the step is called. On a
GPU the step is called, or captured once for each batch size as a CUDA graph and replayed.
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
    """The training step of one trial. For each epoch call `begin(epoch)`, then the step once for each of `sizes`.

    Attributes:
        sizes: number of images of each batch of an epoch.
        totals: float64 (2,): sum of the loss, and number of correct predictions (see `mixed_hits`), over the images of the
            epoch so far.
        order: int64 (N,), the positions of the training images in the order of this epoch.
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
        self.rates = torch.zeros(1, len(groups), device=device)  # rates of this step
        self.totals = torch.zeros(2, dtype=torch.float64, device=device)
        self.images, self.dropout = Generator(device), Generator(device)
        self.own = None if calling.is_all_built_in(training.config, FAMILIES) else OwnRandom(device.type)
        for place, group in enumerate(groups):
            group["lr"] = self.rates[0, place]
        for module in model.modules():
            if isinstance(module, Dropout):
                module.generator = self.dropout

    def begin(self, epoch: int) -> None:
        """Prepare an epoch (numbered from 1): seed the generators from seed and epoch, draw the order, set the rates."""
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
        """The context for parts that draw from global random states; it does nothing if all parts are built in."""
        return self.own or nullcontext()

    def _train(self, size: int) -> None:
        config = self.training.config
        torch.index_select(self.table, 0, self.number, out=self.rates)
        chosen = self.order.index_select(0, self.places[:size].add(self.number, alpha=config["batch_size"]))
        # index_select copies whole images: 40 times faster than [chosen].
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
        """Mean loss and accuracy over the images of a whole epoch, float64 (2,)."""
        return self.totals / len(self.order)


def batch_sizes(count: int, batch_size: int) -> list[int]:
    """The batch sizes of an epoch. A last single image joins the batch before it: batch normalisation needs two images."""
    sizes = [min(batch_size, count - first) for first in range(0, count, batch_size)]
    return [*sizes[:-2], sizes[-2] + 1] if len(sizes) > 1 and sizes[-1] == 1 else sizes


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """torch's bfloat16 autocast for "bf16"; a context that changes nothing for "fp32"."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
