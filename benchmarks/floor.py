"""The epoch loop of a trial beside its floor: the same network and optimizer stepping on one fixed batch in memory.

    python -m benchmarks.floor --rounds 7 --batches 30
    python -m benchmarks.floor --model mlp --model convnet --precision fp32

The loop is `trainables.train.train_epoch` on real images: shuffled, gathered from the memory map, augmented, normalised, with
metrics and learning rates. The floor is forward, loss, backward and optimizer step on a batch that was prepared before, with
no augmentation: everything else is overhead. Both run in this process in turn, round after round, on one thread.
"""

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F
import typer

from benchmarks.record import Table, keep, spread
from trainables import data
from trainables.augment import normalise
from trainables.config import complete
from trainables.models import build
from trainables.optimizers import make_optimizer, plain_step
from trainables.precision import resolve
from trainables.train import Resident, autocast, fit_whitening, pixel_scale, resident, train_epoch

MODELS = ("mlp", "convnet", "resnet18")
AUGMENTATIONS = ("none", "flip", "standard", "cutout", "mixup", "cutmix")
SLOW = {"resnet18": 10}  # a step takes so many times longer than that of the others: fewer batches do
WARM_UP = 2  # steps that are not counted


class EnoughError(Exception):
    """Ends an epoch after the batches that are measured."""


@dataclass
class Side:
    """Network, optimizer and images of one model: what both the loop and its floor use."""

    config: dict[str, Any]
    model: torch.nn.Module
    optimizer: Any
    train_set: Resident
    scale: tuple[torch.Tensor, torch.Tensor]
    precision: str

    def loop(self, augmentation: str, batches: int) -> float:
        """Images per second of the first batches of a real epoch, its start included."""

        def count(done: int, _: int) -> None:
            if done == batches:
                synchronise(self.train_set[0].device)
                raise EnoughError

        config = {**self.config, "augment": augmentation}
        synchronise(self.train_set[0].device)
        started = time.perf_counter()
        try:
            train_epoch(self.model, self.optimizer, self.train_set, self.scale, config, 0, 1, self.precision, count)
        except EnoughError:
            return batches * config["batch_size"] / (time.perf_counter() - started)
        raise ValueError(f"{batches} batches of {config['batch_size']} are more than {len(self.train_set[1])} images")

    def floor(self, batches: int) -> float:
        """Images per second of as many steps on one batch."""
        size = self.config["batch_size"]
        inputs, labels = normalise(self.train_set[0][:size], *self.scale), self.train_set[1][:size].clone()
        update = plain_step(self.optimizer)
        self.model.train()
        synchronise(inputs.device)
        started = time.perf_counter()
        for _ in range(batches):
            with autocast(inputs.device, self.precision):
                logits = self.model(inputs)
            loss = F.cross_entropy(logits.float(), labels)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            update()
        synchronise(inputs.device)
        return batches * size / (time.perf_counter() - started)


def synchronise(device: torch.device) -> None:
    """Wait for a GPU; a CPU is never ahead of its clock."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def side(config: Mapping[str, Any], images: data.Dataset, precision: str, device: str = "cpu") -> Side:
    """An untrained network with its optimizer, as `trainables.train.train` makes them."""
    torch.manual_seed(0)
    whole = complete(config)
    model = build(whole, len(images.classes)).to(device).to(memory_format=torch.channels_last)
    train_set, scale = resident(images.train, device), pixel_scale(images, device)
    fit_whitening(model, train_set[0], scale)
    return Side(whole, model, make_optimizer(whole, model), train_set, scale, precision)


def rounds(
    one: Side, augmentations: tuple[str, ...], batches: int, count: int
) -> Iterator[dict[str, tuple[float, float]]]:
    """For each round and augmentation, images per second of the loop and of the floor, which is run before and after it."""
    one.floor(WARM_UP)
    for name in augmentations:
        one.loop(name, WARM_UP)
    for _ in range(count):
        found, before = {}, one.floor(batches)
        for name in augmentations:
            loop = one.loop(name, batches)
            after = one.floor(batches)
            found[name] = (loop, 2 / (1 / before + 1 / after))  # the floor's mean time
            before = after
        yield found


def measure(
    models: tuple[str, ...] = MODELS,
    dataset: str = "folder:data/cifar10-jpeg",
    precision: str = "auto",
    batches: int = 20,
    count: int = 5,
) -> Table:
    """Loop and floor of each model with each augmentation."""
    torch.set_num_threads(1)
    images, chosen = data.load(data.prepare(dataset, Path("data"))), resolve(precision, on_gpu=False)
    rows, worst = [], {}
    for model in models:
        one = side({"model": model, "augment": "none"}, images, chosen)
        few = max(WARM_UP, batches // SLOW.get(model, 1))
        found = list(rounds(one, AUGMENTATIONS, few, count))
        for name in AUGMENTATIONS:
            loops, floors = zip(*(each[name] for each in found), strict=True)
            ratios = [100 * loop / floor for loop, floor in zip(loops, floors, strict=True)]
            worst[name] = min(worst.get(name, 100.0), statistics.median(ratios))
            rows.append(
                [model, name, spread(loops, "images/s", 0), spread(floors, "images/s", 0), spread(ratios, "%", 1)]
            )
    return Table(
        name="floor",
        title="One trial against its floor",
        command=f"python -m benchmarks.floor --rounds {count} --batches {batches}",
        columns=["model", "augmentation", "epoch loop", "floor", "loop / floor"],
        rows=rows,
        aim="at least 90 % of the floor without augmentation and 85 % with the standard one.",
        reached=f"{worst['none']:.1f} % and {worst['standard']:.1f} % with the model that comes off worst.",
        notes=f"{chosen}, one thread, batches of 128; {count} rounds in turn, each of {batches} batches (resnet18: "
        f"{max(WARM_UP, batches // SLOW['resnet18'])}). The floor is the plain step on one batch in memory, without mixing.",
    )


def main(
    model: Annotated[list[str] | None, typer.Option(help="may be given several times")] = None,
    dataset: Annotated[str, typer.Option(help="as for run_search.py")] = "folder:data/cifar10-jpeg",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16")] = "auto",
    batches: Annotated[int, typer.Option(help="of each round")] = 20,
    rounds: Annotated[int, typer.Option(help="of loop and floor in turn")] = 5,
) -> None:
    """Measure, print and keep the table."""
    keep(measure(tuple(model or MODELS), dataset, precision, batches, rounds))


if __name__ == "__main__":
    typer.run(main)
