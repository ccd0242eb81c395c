"""Train the same trials in float32 and in bfloat16: compare how lr_sweep ranks its learning rates, and the speed.

    python -m benchmarks.precision --dataset folder:images
    python -m benchmarks.precision --dataset folder:images --fraction 0.2 --epochs 5 --seeds 1

The two precisions of a trial take turns, epoch by epoch, in one process on one thread; each core has such a process. The value
of a learning rate is the mean over its seeds. All rates and both precisions have the same seeds.
"""

import functools
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import spaces
from benchmarks.record import Table, bfloat16, keep, spread
from search.run import plan
from trainables.data import loading
from trainables.hardware import memory
from trainables.training.definition import Training
from trainables.training.loop import train

PRECISIONS = ("fp32", "bf16")
Curve = Sequence[tuple[float, float]]  # seconds and val_accuracy (0 to 1) of each epoch
Trial = Mapping[str, Curve]  # by precision


def curves(cache: Path, fraction: float, config: dict[str, Any], seed: int) -> Trial:
    """Train one configuration on one seed in each precision; return the curves."""
    torch.set_num_threads(1)
    memory.keep_freed()
    images = loading.load(cache, fraction=fraction)
    sides = {precision: timed(images, config, seed, precision) for precision in PRECISIONS}
    found: dict[str, list[tuple[float, float]]] = {precision: [] for precision in PRECISIONS}
    for _ in range(config["epochs"]):
        for precision, epochs in sides.items():
            found[precision].append(next(epochs))
    return found


def timed(images: loading.Dataset, config: dict[str, Any], seed: int, precision: str) -> Iterator[tuple[float, float]]:
    epochs = train(Training(config, images, seed=seed, device="cpu", precision=precision))
    while True:
        started = time.perf_counter()
        epoch = next(epochs)
        yield time.perf_counter() - started, epoch.metrics["val_accuracy"]


def train_all(cache: Path, fraction: float, epochs: int, seeds: int) -> dict[float, list[Trial]]:
    """Train all trials; return those of each learning rate, in the order of seeds."""
    rates = [line["config"] for line in plan.draw(spaces.load("lr_sweep"), "grid", 3, 0)]
    jobs = [({**config, "epochs": epochs}, seed) for seed in range(seeds) for config in rates]
    found: dict[float, list[Trial]] = {config["lr"]: [] for config in rates}
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=spawned) as pool:
        trained = pool.map(functools.partial(curves, cache, fraction), *zip(*jobs, strict=True))
        for (config, seed), trial in zip(jobs, trained, strict=True):
            print(
                f"lr {config['lr']:g}, seed {seed}:",
                *(f"{100 * best(trial[name]):.2f}" for name in PRECISIONS),
                flush=True,
            )
            found[config["lr"]].append(trial)
    return found


def measure(dataset: str, data_dir: Path, fraction: float, epochs: int, seeds: int) -> Table:
    cache = loading.prepare(dataset, data_dir)
    images, found = loading.load(cache, fraction=fraction), train_all(cache, fraction, epochs, seeds)
    command = f"python -m benchmarks.precision --dataset {dataset}"
    columns = [f"best val % {name}" for name in PRECISIONS] + ["bf16 less fp32, points"]
    return Table(
        "precision", "Float32 and bfloat16 rank alike",
        f"{command} --fraction {fraction:g} --epochs {epochs} --seeds {seeds}",
        ["lr", *columns, "time of an epoch, fp32 / bf16"], [row(rate, trials) for rate, trials in found.items()],
        aim="the ranking of lr_sweep is the same in both.",
        reached=verdict({rate: [bests(trials, name) for name in PRECISIONS] for rate, trials in found.items()}),
        notes=f"{len(images.train.labels):,} training and {len(images.val.labels):,} validation images; {bfloat16()} here. "
        f"Means of the best epochs of {seeds} seeds, and standard errors of differences on the same seed.",
    )  # fmt: skip


def row(rate: float, trials: Sequence[Trial]) -> list[str]:
    fp32, bf16 = (bests(trials, name) for name in PRECISIONS)
    pairs = [pair for trial in trials for pair in zip(trial["fp32"], trial["bf16"], strict=True)]
    ratios = spread([first / second for (first, _), (second, _) in pairs], "x")
    means = [f"{statistics.mean(values):.2f}" for values in (fp32, bf16)]
    return [f"{rate:.0e}", *means, difference(bf16, fp32), ratios]


def verdict(values: Mapping[float, Sequence[Sequence[float]]]) -> str:
    """Whether the means of both precisions rank the learning rates alike, in words; if not, the differences of swapped rates.

    Args:
        values: for each rate its accuracies in percent, one list for each precision, in the order of seeds.
    """
    orders = [sorted(values, key=lambda rate: -statistics.mean(values[rate][side])) for side in range(2)]
    if orders[0] == orders[1]:
        return "yes."
    swapped = [
        f"{one:g} less {other:g} is {' and '.join(difference(values[one][side], values[other][side]) for side in range(2))}"
        for place, one in enumerate(orders[0]) for other in orders[0][place + 1 :]
        if orders[1].index(one) > orders[1].index(other)
    ]  # fmt: skip
    return f"no: {', '.join(swapped)} points in {' and '.join(PRECISIONS)}."


def difference(first: Sequence[float], second: Sequence[float]) -> str:
    """The mean of paired differences in words, with its standard error if there is more than one pair."""
    each = [one - other for one, other in zip(first, second, strict=True)]
    error = f" ± {statistics.stdev(each) / len(each) ** 0.5:.2f}" if len(each) > 1 else ""
    return f"{statistics.mean(each):+.2f}{error}"


def bests(trials: Sequence[Trial], name: str) -> list[float]:
    """The best accuracy of each trial in one precision, in percent."""
    return [100 * best(trial[name]) for trial in trials]


def best(curve: Curve) -> float:
    return max(value for _, value in curve)


def main(
    dataset: Annotated[str, typer.Option(help="images to train on")] = "auto",
    data_dir: Path = Path("data"),
    fraction: float = 1.0,
    epochs: Annotated[int, typer.Option(help="of a trial [as in lr_sweep]")] = 20,
    seeds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Compare the two precisions."""
    keep(measure(loading.resolve(dataset, data_dir)[0], data_dir, fraction, epochs, seeds))


if __name__ == "__main__":
    typer.run(main)
