"""The same trials in float32 and in bfloat16: whether lr_sweep ranks its rates the same way, and how fast each is.

    python -m benchmarks.precision --dataset folder:images --fraction 0.2 --epochs 5

The trials of the two precisions take turns epoch by epoch in one process, on one thread.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import spaces
from benchmarks.record import Table, bfloat16, keep, spread
from search import plan
from trainables import data, memory
from trainables.train import train

PRECISIONS = ("fp32", "bf16")


def curves(images: data.Dataset, config: dict[str, Any], seed: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds and val_accuracy of each epoch in each precision."""
    sides = {precision: timed(images, config, seed, precision) for precision in PRECISIONS}
    found: dict[str, list[tuple[float, float]]] = {precision: [] for precision in PRECISIONS}
    for _ in range(config["epochs"]):
        for precision, epochs in sides.items():
            found[precision].append(next(epochs))
    return found


def timed(images: data.Dataset, config: dict[str, Any], seed: int, precision: str) -> Iterator[tuple[float, float]]:
    epochs = train(config, images, seed=seed, device="cpu", precision=precision)
    while True:
        started = time.perf_counter()
        epoch = next(epochs)
        yield time.perf_counter() - started, epoch.metrics["val_accuracy"]


def measure(dataset: str, data_dir: Path, fraction: float, epochs: int) -> Table:
    images = data.load(data.prepare(dataset, data_dir), fraction=fraction)
    found = []
    for line in plan.draw(spaces.load("lr_sweep"), "grid", 3, 0):
        config = {**line["config"], "epochs": epochs}
        found.append((config["lr"], curves(images, config, line["seed"])))
    rows = [row(rate, sides) for rate, sides in found]
    orders = [[rate for rate, _ in sorted(found, key=lambda each: -best(each[1][name]))] for name in PRECISIONS]
    return Table(
        "precision", "Float32 and bfloat16 rank alike",
        f"python -m benchmarks.precision --dataset {dataset} --fraction {fraction} --epochs {epochs}",
        ["lr", *(f"best val % {name}" for name in PRECISIONS), "time of an epoch, fp32 / bf16"], rows,
        aim="the ranking of lr_sweep is the same in both.",
        reached="yes." if orders[0] == orders[1] else f"no: {orders[0]} in fp32, {orders[1]} in bf16.",
        notes=f"{len(images.train.labels):,} training and {len(images.val.labels):,} validation images; {bfloat16()} here.",
    )  # fmt: skip


def row(rate: float, sides: dict[str, list[tuple[float, float]]]) -> list[str]:
    pairs = zip(*(sides[name] for name in PRECISIONS), strict=True)
    ratios = [first / second for (first, _), (second, _) in pairs]
    return [f"{rate:.0e}", *(f"{100 * best(sides[name]):.2f}" for name in PRECISIONS), spread(ratios, "x")]


def best(curve: list[tuple[float, float]]) -> float:
    return max(value for _, value in curve)


def main(
    dataset: Annotated[str, typer.Option(help="images to train on")] = "auto",
    data_dir: Path = Path("data"),
    fraction: float = 1.0,
    epochs: int = 5,
) -> None:
    """Compare the two precisions."""
    torch.set_num_threads(1)
    memory.keep_freed()
    keep(measure(data.resolve(dataset, data_dir)[0], data_dir, fraction, epochs))


if __name__ == "__main__":
    typer.run(main)
