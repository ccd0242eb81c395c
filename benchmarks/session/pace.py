"""Measure images per second of one trial, with steps called and replayed as graphs, and of several trials at once."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from benchmarks.session import trials
from benchmarks.session.journal import Measurement, Row
from benchmarks.session.setting import Setting
from benchmarks.session.trials import Called
from trainables.engine import pace
from trainables.engine.lanes import Lane
from trainables.training.definition import Training

ONE: dict[str, dict[str, Any]] = {
    "mlp 1024, 128": {"model": "mlp", "optimizer": "adamw", "lr": 1e-3, "dropout": 0.3, "augment": "flip"},
    "mlp 256, 128": {"model": "mlp", "width": 256, "optimizer": "adamw", "lr": 1e-3, "augment": "none"},
    "convnet w32, 128": {"model": "convnet", "optimizer": "adamw", "lr": 3e-3, "augment": "standard"},
    "mlp 1024, 512": {"model": "mlp", "optimizer": "adamw", "lr": 1e-3, "augment": "flip", "batch_size": 512},
    "speed_net, 512": {"model": "speed_net", "optimizer": "muon", "lr": 0.02, "augment": "standard", "batch_size": 512},
    "resnet18, 512": {"model": "resnet18", "lr": 0.1, "augment": "standard", "batch_size": 512},
    "mlp 1024 with an average, 128": {"model": "mlp", "optimizer": "adamw", "lr": 1e-3, "ema": 2.0, "augment": "none"},
}
TINY: dict[str, dict[str, Any]] = {
    "mlp": {"model": "mlp", "width": 16, "depth": 1, "optimizer": "adamw", "lr": 1e-3, "augment": "none"},
    "convnet": {"model": "convnet", "width": 2, "depth": 1, "lr": 1e-3, "augment": "standard"},
}
SLOTS = (1, 2, 4, 8, 16, 32)


def alone(setting: Setting) -> Iterator[Measurement]:
    for name in names(setting):
        yield Measurement(
            "speed",
            name,
            6 * setting.seconds,
            lambda name=name: called_and_replayed(setting, name),  # type: ignore[misc]
        )


def together(setting: Setting) -> Iterator[Measurement]:
    for name in names(setting)[:3]:
        yield Measurement("slots", name, 12 * setting.seconds, lambda name=name: slots(setting, name))  # type: ignore[misc]


def names(setting: Setting) -> list[str]:
    return list(TINY if setting.small else ONE)


def called_and_replayed(setting: Setting, name: str) -> Iterator[Row]:
    lane, training = setting.lanes[0], training_of(setting, name)
    called = rate([Called(lane)], [training], setting)
    replayed = rate([lane], [training], setting)
    yield {
        "called_images_s": round(called["images_s"]), "graph_images_s": round(replayed["images_s"]),
        "gain": round(replayed["images_s"] / called["images_s"], 2), "start_s": replayed["start_s"],
        "called_because": replayed["called_because"],
    }  # fmt: skip


def slots(setting: Setting, name: str) -> Iterator[Row]:
    """Yield one row for each number of trials that train at once."""
    for count in [each for each in SLOTS if each <= len(setting.lanes)]:
        found = rate(setting.lanes[:count], [training_of(setting, name, seed) for seed in range(count)], setting)
        images = len(setting.images.train.labels)
        yield {
            "slots": count, "images_s": round(found["images_s"]), "model_epochs_s": round(found["images_s"] / images, 1),
            "start_s": found["start_s"], "reserved_mib": reserved(), "called_because": found["called_because"],
        }  # fmt: skip


def training_of(setting: Setting, name: str, seed: int = 0) -> Training:
    given = {"batch_size": setting.batch, "epochs": 1_000_000, "schedule": "constant"}
    config = trials.config(**given | (TINY if setting.small else ONE)[name])
    return Training(config, setting.images, seed=seed, device=setting.device, precision=setting.precision)


def rate(lanes: Sequence[Lane], trainings: Sequence[Training], setting: Setting) -> Row:
    """Measure images per second in training steps, after every piece was captured, without evaluation and ledger rows."""
    began = time.perf_counter()
    running = [pace.begun(training, lane) for lane, training in zip(lanes, trainings, strict=True)]
    pace.warm_up(running)
    start = time.perf_counter() - began
    return {
        "images_s": pace.rate(running, setting.seconds), "start_s": round(start, 3),
        "called_because": next((each.pieces.eager for each in running if each.pieces.eager), None),
    }  # fmt: skip


def reserved() -> int | None:
    """The GPU memory that torch has reserved, in MiB; None if CUDA is not in use."""
    return torch.cuda.memory_reserved() >> 20 if torch.cuda.is_initialized() else None
