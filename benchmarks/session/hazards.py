"""Try what could change the bits of a trial: 32 mixed trials at once, refills of lanes, little memory, threads that write.

Every trial must have the same hash as the trial trained alone.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.session import trials
from benchmarks.session.bits import RATES, SMALL
from benchmarks.session.journal import Measurement, Row
from benchmarks.session.setting import Setting
from trainables.engine.lanes import CAPTURING
from trainables.training.definition import Training
from trainables.training.loop import Epoch

KINDS: tuple[dict[str, Any], ...] = (
    {"model": "mlp", "width": 1024, "optimizer": "adamw", "dropout": 0.3, "augment": "flip"},
    {"model": "mlp", "width": 256, "optimizer": "sgd", "augment": "none", "ema": 1.0},
    {"model": "mlp", "width": 512, "depth": 1, "optimizer": "muon", "augment": "cutout"},
    {"model": "convnet", "width": 32, "optimizer": "adamw", "augment": "standard"},
    {"model": "convnet", "width": 16, "depth": 2, "optimizer": "sgd", "augment": "crop", "ema": 0.5},
    {"model": "speed_net", "width": 32, "optimizer": "muon", "augment": "standard"},
    {"model": "resnet", "depth": 8, "optimizer": "sgd", "augment": "none", "dropout": 0.1},
    {"model": "mlp", "width": 128, "depth": 4, "optimizer": "adamw", "augment": "cutmix"},
)
TIMES = 29  # trainings of each kind: 232 trials on 32 lanes, 200 refills, more than 10,000 steps
WAITING = 8  # states that may wait to be written
HEADROOM = 8 << 30  # bytes of GPU memory that the pressure leaves free


def measurements(setting: Setting) -> Iterator[Measurement]:
    def measure(name: str, **circumstances: bool) -> Measurement:
        seconds = 1 if setting.small else 40
        return Measurement("hazards", name, seconds, lambda: mixed(setting, **circumstances))

    yield measure("32 lanes, refills, writers", writes=True)
    yield measure("32 lanes, refills, writers, little memory", writes=True, pressure=True)
    yield Measurement("hazards", "the control: another seed differs", 2, lambda: control(setting))


def kinds(setting: Setting) -> list[Training]:
    """Trainings of which no two are alike; their batch sizes differ too."""
    found = []
    for seed, kind in enumerate(KINDS[:2] if setting.small else KINDS):
        knobs = {**kind, **SMALL[kind["model"]]} if setting.small else kind
        batch = setting.batch if seed % 2 else setting.batch // 2
        config = trials.config(**knobs, lr=RATES[kind["optimizer"]], batch_size=batch, epochs=3)
        found.append(Training(config, setting.few, seed=seed, device=setting.device, precision=setting.precision))
    return found


def mixed(setting: Setting, writes: bool = False, pressure: bool = False) -> Iterator[Row]:
    """Train each kind of trial many times beside changing others; yield a row that compares hashes with the kind alone."""
    given = kinds(setting)
    alone = [trials.by_train(training) for training in given]
    times = 3 if setting.small else TIMES
    order = [(place + turn) % len(given) for turn in range(times) for place in range(len(given))]
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(Writer(setting.folder, setting.device)) if writes else None
        filled = stack.enter_context(Pressure(setting.device)) if pressure else None
        found = trials.in_engine(setting.lanes, [given[place] for place in order], writer.write if writer else None)
    wrong = [
        place
        for place, outcome in zip(order, found, strict=True)
        if outcome.key != alone[place].key and not outcome.error
    ]
    steps = sum(len(row_steps(given[place])) * len(outcome.rows) for place, outcome in zip(order, found, strict=True))
    yield {
        "lanes": len(setting.lanes), "trials": len(found), "refills": max(0, len(found) - len(setting.lanes)), "steps": steps,
        "seconds": round(time.perf_counter() - began, 1), "as_alone": "identical" if not wrong else "differs",
        "wrong": len(wrong), "wrong_kinds": sorted({str(KINDS[place]) for place in wrong})[:4],
        "called": sum(outcome.called is not None for outcome in found),
        "called_because": next((outcome.called for outcome in found if outcome.called), None),
        "engine_errors": [outcome.error for outcome in found if outcome.error][:3],
        "laid_aside": sum(outcome.laid_aside for outcome in found),
        "ended_by_an_error": sum(outcome.error is not None for outcome in found),
        "states_written": writer.written if writer else 0, "gib_taken": filled.gib if filled else 0,
        "allocation_retries": torch.cuda.memory_stats().get("num_alloc_retries") if setting.device == "cuda" else None,
    }  # fmt: skip


def row_steps(training: Training) -> range:
    return range(-(-len(training.data.train.labels) // training.config["batch_size"]))


def control(setting: Setting) -> Iterator[Row]:
    """Show that the comparison can fail: yield a row that compares the hashes of two trials with different seeds."""
    one = kinds(setting)[0]
    other = Training(one.config, one.data, seed=one.seed + 1, device=one.device, precision=one.precision)
    first, second = trials.in_engine(setting.lanes[:2], [one, other])
    yield {"other_seed": "identical" if first.bits == second.bits else "differs"}


class Writer:
    """A thread that writes weights to disk, each synced, while trials go on; it drops weights if too many are waiting."""

    def __init__(self, folder: Path, device: str) -> None:
        self._folder, self._device, self.written = folder, device, 0
        self._todo: list[Any] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(30)

    def write(self, epoch: Epoch) -> None:
        """Copy an epoch's weights on their device and hand the copy to the thread, unless WAITING copies are waiting."""
        if len(self._todo) < WAITING:
            copies = {name: value.detach().clone() for name, value in epoch.model.state_dict().items()}
            mark = torch.cuda.Event() if self._device == "cuda" else None
            if mark:
                mark.record()
            self._todo.append((mark, copies))

    def _run(self) -> None:
        while not (self._is_over.is_set() and not self._todo):
            if not self._todo:
                time.sleep(0.001)
                continue
            mark, copies = self._todo.pop()
            if mark:
                mark.synchronize()
            with CAPTURING:
                state = {name: value.cpu() for name, value in copies.items()}
            with (self._folder / "state.pt").open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            self.written += 1
            if self._is_over.is_set():
                self._todo.clear()


class Pressure:
    """Take all free GPU memory but `headroom` bytes, as another program might, until the end of the `with` block."""

    def __init__(self, device: str, headroom: int = HEADROOM) -> None:
        self._taken: torch.Tensor | None = None
        self.gib = 0  # GiB that were taken
        if device == "cuda":
            torch.cuda.empty_cache()
            free, _ = torch.cuda.mem_get_info()
            if free > headroom:
                self._taken = torch.empty(free - headroom, dtype=torch.uint8, device=device)
                self.gib = self._taken.numel() >> 30

    def __enter__(self) -> "Pressure":
        return self

    def __exit__(self, *_: object) -> None:
        self._taken = None
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
