"""Measure trials on one GPU without Ray: speed beside its floor, several trials at once, seconds to an accuracy, resuming.

    python -m benchmarks.gpu --dataset folder:data/cifar10-jpeg --out gpu.json
    python -m benchmarks.gpu --part speed --part together --dataset random
    python -m benchmarks.gpu --session --budget 300 --out session.json --dataset folder:data/cifar10-jpeg
    python -m benchmarks.gpu --device cpu --dataset random --images 512 --batch-size 32 --batches 2 --seconds 1 --model mlp

The program needs torch, torchvision for resnet18, numpy, and Pillow for a folder of images, but no Ray. `--dataset random` is
noise of the size of CIFAR-10. Noise is enough to measure speed, but has no accuracy, so that part is left out. Without a GPU
the program prints one line and ends with exit code 0. `--out` names a file for the table, which is written again after each
row, in the form of benchmarks/record.py; copy this file to benchmarks/tables/gpu.json. `--session` starts the separate program
in benchmarks/session/.
"""

import argparse
import contextlib
import copy
import datetime
import io
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.steps import WARM_UP, prepared, rounds
from trainables.config import complete
from trainables.data import loading
from trainables.data.loading import Dataset, Split
from trainables.hardware.precision import resolve
from trainables.training.definition import Training
from trainables.training.loop import Epoch, train

CONFIGS: dict[str, dict[str, Any]] = {
    "mlp": {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 1e-2, "dropout": 0.3, "augment": "flip"},
    "convnet": {"optimizer": "adamw", "lr": 3e-3, "weight_decay": 1e-2, "width": 64, "augment": "standard"},
    "resnet18": {"optimizer": "sgd", "lr": 0.4, "weight_decay": 5e-4, "augment": "standard"},
    "speed_net": {
        "optimizer": "sgd", "lr": 0.2, "momentum": 0.85, "weight_decay": 5e-4, "label_smoothing": 0.2, "augment": "standard",
    },
}  # fmt: skip
EPOCHS = {"mlp": 20, "convnet": 20, "resnet18": 20, "speed_net": 16}
TARGETS = {"mlp": 0.58, "convnet": 0.85, "resnet18": 0.94, "speed_net": 0.94}  # val_accuracy
RECORDS = (
    "Published, on one A100, to 94 % of the test images after training on all 50,000 (ours: 45,000, and validation images): "
    "airbench94 3.83 s, with Muon 2.59 s (github.com/KellerJordan/cifar10-airbench); ResNet-18 to 96 % 7 min (the same page)."
)
TOGETHER = (1, 2, 4, 8)  # processes on one GPU
PARTS = ("speed", "together", "accuracy", "resume")
Row = list[str]


def config_of(model: str, epochs: int, batch_size: int) -> dict[str, Any]:
    """The complete configuration of a model."""
    return complete(
        {"model": model, "batch_size": batch_size, "schedule": "onecycle", "epochs": epochs, **CONFIGS[model]}
    )


def images_of(dataset: str, data_dir: Path, count: int | None) -> Dataset:
    """The images of the data set, or about `count` of its training images; `random` is noise."""
    if dataset == "random":
        dice, sizes = np.random.default_rng(0), {"train": count or 45_000, "val": min(count or 5_000, 5_000), "test": 0}
        parts = [
            Split(dice.integers(256, size=(size, 32, 32, 3), dtype=np.uint8), dice.integers(10, size=size))
            for size in (sizes["train"], sizes["val"])
        ]
        classes = tuple(str(label) for label in range(10))
        return Dataset("random", *parts, classes, (0.5,) * 3, (0.3,) * 3, "0" * 64, sizes)
    cache = loading.prepare(dataset, data_dir, progress=False)
    whole = loading.load(cache)
    return loading.load(cache, fraction=min(1.0, count / len(whole.train.labels))) if count else whole


def speed(asked: argparse.Namespace, model: str, images: Dataset) -> Iterator[Row]:
    """Measure images per second of the epoch loop and of its floor, with and without augmentation."""
    one = prepared(config_of(model, 1, asked.batch_size), images, asked.precision, asked.device)
    found = list(rounds(one, ("none", "standard"), asked.batches, asked.rounds))
    for name in ("none", "standard"):
        loops, floors = zip(*(each[name] for each in found), strict=True)
        ratio = statistics.median(loop / floor for loop, floor in zip(loops, floors, strict=True))
        text = f"{per_second(loops)}; floor {per_second(floors)}; {100 * ratio:.1f} % of it"
        yield [f"{model}, one trial", f"augmentation {name}", text]


def per_second(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.0f} images/s ({min(values):,.0f} to {max(values):,.0f})"


def together(asked: argparse.Namespace, model: str, images: Dataset) -> Iterator[Row]:
    """Measure the images per second of all trials together, for each number of processes that share the GPU."""
    alone = 0.0
    if asked.device == "cuda":
        torch.cuda.empty_cache()  # of this process, so that the others have all of it
    for processes in asked.together:
        each, busy = run_together(asked, model, processes)
        alone = alone or sum(each)
        text = f"{sum(each):,.0f} images/s, {sum(each) / alone:.2f}x the first row{busy}"
        yield [f"{model}, several at once", f"{processes} processes", text]


def run_together(asked: argparse.Namespace, model: str, processes: int) -> tuple[list[float], str]:
    """Train in `processes` processes at once; return the images per second of each, and how busy the GPU is, in words."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--worker", model, *sys.argv[1:]]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    try:
        for worker in workers:
            if not worker.stdout or worker.stdout.readline() != "ready\n":
                raise RuntimeError(f"one of {processes} processes could not start")
        for worker in workers:
            assert worker.stdin
            worker.stdin.write("go\n")
            worker.stdin.flush()
        time.sleep(asked.seconds / 2)
        busy = utilisation()
        return [float(worker.communicate()[0]) for worker in workers], busy
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()  # so that its memory is free before the next workers start
            for pipe in filter(None, (worker.stdin, worker.stdout)):
                with contextlib.suppress(BrokenPipeError):  # the worker may have ended before it read its input
                    pipe.close()


def utilisation() -> str:
    """How busy the GPU is now, in words; empty if nvidia-smi gives no answer."""
    ours = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    query = ["nvidia-smi", "--id", ours, "--query-gpu=utilization.gpu", "--format=csv,noheader"]
    try:
        return f", GPU busy {subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0]}"
    except (OSError, subprocess.SubprocessError, IndexError):
        return ""


def work(asked: argparse.Namespace, images: Dataset) -> None:
    """Work of one of several processes: prepare, wait for the start signal, train for some seconds, print the speed."""
    one = prepared(config_of(asked.worker, 1, asked.batch_size), images, asked.precision, asked.device)
    one.loop("standard", min(WARM_UP, asked.batches))
    print("ready", flush=True)
    sys.stdin.readline()
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < asked.seconds:
        one.loop("standard", asked.batches)
        done += asked.batches * asked.batch_size
    print(done / (time.perf_counter() - started))


def accuracy(asked: argparse.Namespace, model: str, images: Dataset) -> Iterator[Row]:
    """Measure the seconds to a validation accuracy, after a first training of one epoch that loads and chooses kernels."""
    if images.name == "random":
        return
    config, target = config_of(model, asked.epochs or EPOCHS[model], asked.batch_size), TARGETS[model]
    list(run({**config, "epochs": 1}, images, asked))
    started, reached, best = time.perf_counter(), None, 0.0
    for epoch in run(config, images, asked):
        best = max(best, epoch.metrics["val_accuracy"])
        if best >= target and reached is None:
            reached = f"after {time.perf_counter() - started:.1f} s, epoch {epoch.metrics['epoch']}"
    seconds = time.perf_counter() - started
    text = f"{reached or 'not reached'}; {100 * best:.2f} % in {seconds:.1f} s, {config['epochs']} epochs"
    yield [f"{model}, to an accuracy", f"{100 * target:.0f} % of validation", text]


def run(config: dict[str, Any], images: Dataset, asked: argparse.Namespace, state: Any = None) -> Iterator[Epoch]:
    """Train a trial that has no folder, epoch by epoch."""
    return train(Training(config, images, seed=0, device=asked.device, precision=asked.precision), state=state)


def resume(asked: argparse.Namespace, model: str, images: Dataset) -> Iterator[Row]:
    """Compare three epochs in one go with a repetition, and with two epochs and a third one from a saved state."""
    config = config_of(model, 3, asked.batch_size)
    whole = [epoch.metrics for epoch in run(config, images, asked)]
    again = [epoch.metrics for epoch in run(config, images, asked)]
    first = run(config, images, asked)
    next(first)
    buffer = io.BytesIO()
    torch.save(next(first).state(), buffer)
    buffer.seek(0)
    state = torch.load(buffer, weights_only=True, map_location="cpu")
    last = [epoch.metrics for epoch in run(config, images, asked, copy.deepcopy(state))]
    text = f"repeated: {difference(whole, again)}; resumed after epoch 2: {difference(whole[2:], last)}"
    yield [f"{model}, resumed", "three epochs", text]


def difference(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> str:
    """Compare two lists of metrics, in words: identical, or the largest differences of both losses."""
    if list(one) == list(other):
        return "identical"
    pairs = list(zip(one, other, strict=True))
    largest = {key: max(abs(row[key] - same[key]) for row, same in pairs) for key in ("train_loss", "val_loss")}
    return "differs by at most " + " and ".join(f"{value:.1e} ({key})" for key, value in largest.items())


def machine(device: str) -> str:
    """The device and the versions of Python and torch, in words."""
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    return f"{name}, Python {platform.python_version()}, torch {torch.__version__}"


def table(asked: argparse.Namespace, rows: list[Row]) -> dict[str, Any]:
    """The fields of a benchmarks.record.Table as a dictionary; the class is not used, because it needs Ray's version."""
    return {
        "name": "gpu", "title": "On a GPU", "command": f"python -m benchmarks.gpu {shlex.join(sys.argv[1:])}".strip(),
        "columns": ["", "what", "measured"], "rows": rows, "aim": "", "reached": "",
        "notes": f"{asked.precision}, batches of {asked.batch_size}; {asked.rounds} rounds of {asked.batches} batches in turn, "
        f"median (minimum to maximum); several at once for {asked.seconds:g} s with the standard augmentation. {RECORDS}",
        "machine": machine(asked.device), "date": datetime.date.today().isoformat(),
    }  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trials on one GPU, without Ray.")
    parser.add_argument("--part", action="append", choices=PARTS, help="repeatable [all]")
    parser.add_argument("--model", action="append", choices=list(CONFIGS), help="repeatable [all]")
    parser.add_argument("--dataset", default="folder:data/cifar10-jpeg", help="as for run_search.py, or random")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--precision", default="auto", choices=("auto", "bf16", "fp32"))
    parser.add_argument("--images", type=int, help="of the training images [all]")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--batches", type=int, default=60, help="of each round; at most an epoch")
    parser.add_argument("--rounds", type=int, default=5, help="of loop and floor in turn")
    parser.add_argument("--seconds", type=float, default=5.0, help="that several processes train together")
    parser.add_argument("--together", type=int, nargs="+", default=TOGETHER, help="numbers of processes")
    parser.add_argument("--epochs", type=int, help="to an accuracy [each model's own]")
    parser.add_argument("--out", type=Path, help="file for the table as JSON")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.model, asked.part = asked.model or list(CONFIGS), asked.part or list(PARTS)
    return asked


def main() -> None:
    """Measure part after part, and print each row as it comes."""
    if "--session" in sys.argv:
        from benchmarks.session.__main__ import main as session

        session([word for word in sys.argv[1:] if word != "--session"])
        return
    asked = arguments()
    if asked.device == "cuda" and not torch.cuda.is_available():
        print("no GPU here: nothing was measured (--device cpu tries the program out)")
        return
    asked.precision = resolve(asked.precision, asked.device == "cuda")
    images = images_of(asked.dataset, asked.data_dir, asked.images)
    asked.batches = max(1, min(asked.batches, len(images.train.labels) // asked.batch_size))
    if asked.worker:
        work(asked, images)
        return
    rows: list[Row] = []
    for part in asked.part:
        for model in asked.model:
            for row in measured(part, asked, model, images):
                rows.append(row)
                print(" | ".join(row), flush=True)
                if asked.out:
                    asked.out.write_text(json.dumps(table(asked, rows), indent=1, ensure_ascii=False) + "\n")


def measured(part: str, asked: argparse.Namespace, model: str, images: Dataset) -> Iterator[Row]:
    """The rows of a part for one model; an error is a row too, so that the next part can go on."""
    try:
        yield from {"speed": speed, "together": together, "accuracy": accuracy, "resume": resume}[part](
            asked, model, images
        )
    except Exception as error:  # too little memory, or a process that died and has no answer: the next part may work
        yield [f"{model}, {part}", "failed", (str(error).splitlines() or [type(error).__name__])[0]]


if __name__ == "__main__":
    main()
