"""Let memory run out in a slot: that trial waits, half as many trials train at once, and each hash must be as alone."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks.session import trials
from benchmarks.session.hazards import Pressure, kinds
from benchmarks.session.journal import Measurement, Row
from benchmarks.session.setting import Setting
from trainables.training.definition import Training

LANES = 4
SHARE = 2.5  # how many of these trials fit into the free memory


def measurements(setting: Setting) -> Iterator[Measurement]:
    yield Measurement("faults", "out of memory in a slot", 2 if setting.small else 15, lambda: shortage(setting))


def shortage(setting: Setting) -> Iterator[Row]:
    """Train four large trials in memory for two; yield a row that compares each with the trial trained alone."""
    one = large(setting)
    given = [replace(one, seed=seed) for seed in range(LANES)]
    lanes = setting.lanes[:LANES]
    if setting.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    alone = [trials.in_engine(lanes[:1], [training])[0] for training in given]
    taken = torch.cuda.max_memory_allocated() - before if setting.device == "cuda" else 0
    with Pressure(setting.device, int(SHARE * taken)) as filled:
        found = trials.in_engine(lanes, given)
    pairs = list(zip(alone, found, strict=True))
    yield {
        "trials": len(found), "mib_of_one": taken >> 20, "gib_taken": filled.gib,
        "laid_aside": sum(outcome.laid_aside for outcome in found),
        "as_alone": "identical" if all(one.key == other.key for one, other in pairs) else "differs",
        "engine_errors": [outcome.error for outcome in found if outcome.error],
        "called": [outcome.called for outcome in found if outcome.called],
    }  # fmt: skip


def large(setting: Setting) -> Training:
    """A training of ResNet-18 with batches of 512, which needs gigabytes for activations."""
    if setting.small:
        return kinds(setting)[0]
    config = trials.config("resnet18", lr=0.1, batch_size=512, epochs=2, augment="none")
    return Training(config, setting.few, seed=0, device=setting.device, precision=setting.precision)
