"""Compare the epoch loop of a trial with its floor: steps of the same network and optimizer on one fixed batch in memory.

    python -m benchmarks.floor --rounds 7 --batches 30
    python -m benchmarks.floor --model mlp --model convnet --precision fp32

The loop is `trainables.training.loop.train_epoch` on real images: shuffled, gathered from the memory map, augmented,
normalised, with metrics and learning rates. The floor is forward pass, loss, backward pass and optimizer step on a batch that
was prepared before, without augmentation. Everything else in the loop is overhead. Loop and floor take turns in this process,
on one thread.
"""

import statistics
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.record import Table, keep, spread
from benchmarks.steps import WARM_UP, prepared, rounds
from trainables.data import loading
from trainables.hardware import memory
from trainables.hardware.precision import resolve

OWN = "benchmarks.own_networks:Perceptron"  # the mlp as a user would write it
MODELS = ("mlp", OWN, "convnet", "resnet18")
AUGMENTATIONS = ("none", "flip", "crop", "standard", "cutout", "mixup", "cutmix")
SLOW = {"resnet18": 10}  # how many times longer a step takes: such a model gets fewer batches and rounds
FEWEST = 3  # rounds


def measure(
    models: tuple[str, ...] = MODELS,
    dataset: str = "folder:data/cifar10-jpeg",
    precision: str = "auto",
    batches: int = 20,
    count: int = 5,
) -> Table:
    """Measure loop and floor of each model with each augmentation; return the table."""
    torch.set_num_threads(1)
    memory.keep_freed()  # as every worker does
    images, chosen = loading.load(loading.prepare(dataset, Path("data"))), resolve(precision, on_gpu=False)
    rows, worst = [], {}
    selected = "".join(f"--model {model} " for model in models) if models != MODELS else ""
    for model in models:
        one = prepared({"model": model, "augment": "none"}, images, chosen)
        few = max(WARM_UP, batches // SLOW.get(model, 1))
        found = list(rounds(one, AUGMENTATIONS, few, count if model not in SLOW else max(FEWEST, count // SLOW[model])))
        for name in AUGMENTATIONS:
            loops, floors = zip(*(each[name] for each in found), strict=True)
            ratios = [100 * loop / floor for loop, floor in zip(loops, floors, strict=True)]
            worst[name] = min(worst.get(name, 100.0), statistics.median(ratios))
            rows.append(
                [
                    "an own mlp" if model == OWN else model,
                    name,
                    spread(loops, "images/s", 0),
                    spread(floors, "images/s", 0),
                    spread(ratios, "%", 1),
                ]
            )
    return Table(
        name="floor",
        title="One trial against its floor",
        command=f"python -m benchmarks.floor {selected}--precision {precision} --rounds {count} --batches {batches}",
        columns=["model", "augmentation", "epoch loop", "floor", "loop / floor"],
        rows=rows,
        aim="at least 90 % of the floor without augmentation and 85 % with the standard one.",
        reached=f"{worst['none']:.1f} % and {worst['standard']:.1f} % with the model that comes off worst.",
        notes=f"{chosen}, one thread, batches of 128; {count} rounds in turn, each of {batches} batches (resnet18: "
        f"{max(FEWEST, count // SLOW['resnet18'])} of {max(WARM_UP, batches // SLOW['resnet18'])}). The floor is the plain "
        "step on one batch in memory, without mixing. The own mlp is the same network in a file of a user's "
        "(`benchmarks/own_networks.py`); its floor is itself.",
    )


def main(
    model: Annotated[list[str] | None, typer.Option(help="repeatable")] = None,
    dataset: Annotated[str, typer.Option(help="as for run_search.py")] = "folder:data/cifar10-jpeg",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16")] = "auto",
    batches: Annotated[int, typer.Option(help="of each round")] = 20,
    count: Annotated[int, typer.Option("--rounds", help="of loop and floor in turn")] = 5,
) -> None:
    """Measure, print and keep the table."""
    keep(measure(tuple(model or MODELS), dataset, precision, batches, count))


if __name__ == "__main__":
    typer.run(main)
