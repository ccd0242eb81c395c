"""Measure the GPU memory that torch holds while one lane is refilled with trials again and again."""

from collections.abc import Iterator

import torch

from benchmarks.session import trials
from benchmarks.session.hazards import kinds
from benchmarks.session.journal import Measurement, Row
from benchmarks.session.setting import Setting

REFILLS = 40


def measurements(setting: Setting) -> Iterator[Measurement]:
    yield Measurement("memory", "refills of one lane", 2 if setting.small else 12, lambda: refills(setting))


def refills(setting: Setting) -> Iterator[Row]:
    """Train the same few kinds of trials repeatedly on one lane; the memory that torch holds must not grow."""
    given = kinds(setting)[:4]
    held: list[int] = []
    rounds = 2 if setting.small else REFILLS // len(given)
    for _ in range(rounds):
        trials.in_engine(setting.lanes[:1], given)
        if setting.device == "cuda":
            torch.cuda.synchronize()
            held.append(torch.cuda.memory_allocated() >> 20)
    reserved = torch.cuda.memory_reserved() >> 20 if setting.device == "cuda" else None
    yield {"refills": rounds * len(given), "allocated_mib_after_each_round": held, "reserved_mib": reserved}
