"""A whole search beside the same search as a textbook Ray Tune script: wall time, CPU time and the winner's accuracy.

    python -m benchmarks.end_to_end --dataset folder:data/cifar10-jpeg --runs 3

Both train the network of lr_sweep at its three rates on the same images, in turn (ours, theirs, ours, theirs, ...), each in
a fresh process from an empty folder; the decoded images are there for both. Prints a Markdown table.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from tabulate import tabulate

from trainables import data

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Measured:
    """One run of one side: seconds of wall time and of CPU over all its processes that ended, and its best accuracy."""

    wall: float
    cpu: float
    accuracy: float


def ours(dataset: str, fraction: float, epochs: int, folder: Path) -> Measured:
    command = [
        sys.executable,
        str(ROOT / "run_search.py"),
        "--space",
        "lr_sweep",
        "--dataset",
        dataset,
        "--name",
        "bench",
    ]
    command += ["--epochs", str(epochs), "--fraction", str(fraction), "--runs-dir", str(folder / "runs"), "--quiet"]
    seconds, cpu = timed([*command, "--results", str(folder / "results.md")])
    rows = json.loads((folder / "runs" / "bench" / "results.json").read_text())
    return Measured(seconds, cpu, max(row["val_accuracy"] for row in rows))


def theirs(cache: Path, images: int, epochs: int) -> Measured:
    command = [sys.executable, "-m", "benchmarks.textbook_ray", str(cache), str(images), str(epochs)]
    with tempfile.TemporaryFile("w+") as out:
        seconds, cpu = timed(command, out)
        out.seek(0)
        best = json.loads(out.read().strip().splitlines()[-1])
    return Measured(seconds, cpu, max(best.values()))


def timed(command: Sequence[str], out: object = subprocess.DEVNULL) -> tuple[float, float]:
    """Wall and CPU seconds of a command and of the children that it has waited for.

    Raises:
        CalledProcessError: it failed.
    """
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, stdout=out, stderr=subprocess.DEVNULL, env=environment)  # type: ignore[call-overload]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu


def main(
    dataset: Annotated[str, typer.Option(help="images to train on")] = "folder:data/cifar10-jpeg",
    data_dir: Path = Path("data"),
    images: Annotated[int, typer.Option(help="training images")] = 10_000,
    epochs: int = 3,
    runs: Annotated[int, typer.Option(help="of each side")] = 1,
) -> None:
    cache = data.prepare(dataset, data_dir)
    fraction = min(1.0, images / data.load(cache).sizes["train"])
    images = len(data.load(cache, fraction=fraction).train.labels)
    pairs = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            pairs.append((ours(dataset, fraction, epochs, Path(folder)), theirs(cache, images, epochs)))
    print(f"3 rates x {epochs} epochs x {images:,} images, {os.cpu_count()} CPUs, {runs} runs of each in turn\n")
    print(table(pairs))


def table(pairs: Sequence[tuple[Measured, Measured]]) -> str:
    """Medians with minimum and maximum, and the ratio of each pair."""
    sides = list(zip(*pairs, strict=True))
    rows = [
        [name, spread([run.wall for run in side]), f"{statistics.median(100 * run.accuracy for run in side):.2f}"]
        for name, side in zip(("python run_search.py", "textbook Ray Tune"), sides, strict=True)
    ]
    ratios = [them.wall / us.wall for us, them in pairs]
    rows.append(["ratio (textbook / ours)", spread(ratios, "x"), ""])
    return tabulate(rows, ["", "wall time: median (min to max)", "best val %"], tablefmt="pipe", disable_numparse=True)


def spread(values: Sequence[float], unit: str = " s") -> str:
    return f"{statistics.median(values):.2f}{unit} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    typer.run(main)
