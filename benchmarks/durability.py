"""Measure the cost of durable writes in a trial: their share of the time, fsyncs per epoch, and bytes on disk.

    python -m benchmarks.durability --dataset folder:data/cifar10-jpeg --epochs 20

One trial of lr_sweep's network runs twice: once unchanged, and once with every fsync delayed by 5 ms (by strace), as on a slow
disk. The share is the seconds inside functions that write durably, divided by all seconds of the same run. So a noisy machine
changes the share little.
"""

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import record
from benchmarks.record import Table

DELAY = 5000  # microseconds
SLOW_DISK = [
    "strace",
    "-f",
    "--seccomp-bpf",
    "-qq",
    "-o",
    os.devnull,
    "-e",
    "trace=fsync",
    "-e",
    f"inject=fsync:delay_enter={DELAY}",
]
DISKS: dict[str, list[str]] = {"as it is": [], f"every fsync {DELAY // 1000} ms later": SLOW_DISK}
OWNERS = {
    "trial": ("save_state", "end"), "rows": ("save_best",), "timing": ("note",),
    "durable": ("append", "make_folder", "sweep"),
}  # fmt: skip


@dataclass
class Cost:
    """The cost of one trial: all seconds, seconds inside durable functions, number of fsyncs, bytes left on the disk."""

    epochs: int
    seconds: float = 0.0
    durable: float = 0.0
    fsyncs: int = 0
    disk: int = 0

    @property
    def share(self) -> float:
        return self.durable / self.seconds


def measure_trial(cache: Path, folder: Path, epochs: int) -> Cost:
    """Train one trial in this process, and measure the time inside every durable function."""
    import torch

    from spaces import load
    from trainables.config import complete
    from trainables.data import loading
    from trainables.files import durable
    from trainables.hardware import memory
    from trainables.hardware.precision import resolve
    from trainables.training.definition import Training
    from trainables.trial import checkpointing, rows, timing

    torch.set_num_threads(1)
    memory.keep_freed()  # as every worker does
    cost, images = Cost(epochs), loading.load(cache, fraction=1.0)
    watch(cost, {"trial": checkpointing, "rows": rows, "timing": timing, "durable": durable})
    space = load("lr_sweep")
    config = complete({**space.constants, **space.baseline, "epochs": epochs})
    started = time.perf_counter()
    for _ in checkpointing.run(
        folder, Training(config, images, seed=0, device="cpu", precision=resolve("auto", on_gpu=False))
    ):
        pass
    cost.seconds = time.perf_counter() - started
    cost.disk = sum(path.stat().st_size for path in folder.iterdir())
    return cost


def watch(cost: Cost, modules: dict[str, Any]) -> None:
    """Measure the time inside the functions of OWNERS, counting only the outermost of nested calls, and count fsyncs."""
    depth = [0]
    for module, names in OWNERS.items():
        for name in names:
            setattr(modules[module], name, timed(getattr(modules[module], name), cost, depth))
    real = os.fsync

    def counted(descriptor: int) -> None:
        cost.fsyncs += 1
        real(descriptor)

    os.fsync = counted


def timed(function: Callable[..., Any], cost: Cost, depth: list[int]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        depth[0] += 1
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            depth[0] -= 1
            cost.durable += (time.perf_counter() - started) * (depth[0] == 0)

    return wrapper


def in_a_process(wrapper: list[str], cache: Path, epochs: int) -> Cost:
    with tempfile.TemporaryDirectory(dir=".") as folder:  # a real disk; a temporary folder may be memory
        command = [sys.executable, "-m", "benchmarks.durability", "--trial", f"{folder}/trial", "--cache", str(cache)]
        done = subprocess.run(
            [*wrapper, *command, "--epochs", str(epochs)], check=True, capture_output=True, text=True
        )  # fmt: skip
    return Cost(**json.loads(done.stdout))


def measure(dataset: str, data_dir: Path, epochs: int) -> Table:
    """Train the trial with and without delayed fsyncs; return the table."""
    from trainables.data import loading

    cache = loading.prepare(dataset, data_dir).resolve()
    costs = {title: in_a_process(wrapper, cache, epochs) for title, wrapper in DISKS.items()}
    rows = [
        [
            title,
            f"{100 * cost.share:.2f} %",
            f"{cost.fsyncs / epochs:.1f}",
            f"{cost.seconds / epochs:.2f}",
            f"{cost.disk >> 20}",
        ]
        for title, cost in costs.items()
    ]
    shares = [100 * cost.share for cost in costs.values()]
    images = loading.load(cache).sizes["train"]
    return Table(
        "durability", "What safety costs", f"python -m benchmarks.durability --dataset {dataset} --epochs {epochs}",
        ["disk", "share of the time", "fsyncs per epoch", "s per epoch", "MiB left"], rows,
        "at most 3 %.", f"{min(shares):.1f} to {max(shares):.1f} %.",
        f"The network of `lr_sweep` on {images:,} training images, one thread: seconds inside the functions that write durably, "
        "over all seconds of the same run.",
    )  # fmt: skip


def main(
    dataset: Annotated[str, typer.Option(help="as for run_search.py")] = "digits",
    data_dir: Annotated[Path, typer.Option()] = Path("data"),
    epochs: Annotated[int, typer.Option()] = 20,
    trial: Annotated[Path | None, typer.Option(hidden=True)] = None,
    cache: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure, print and keep the table."""
    if trial and cache:
        print(json.dumps(asdict(measure_trial(cache, trial, epochs))))
    else:
        record.keep(measure(dataset, data_dir, epochs))


if __name__ == "__main__":
    typer.run(main)
