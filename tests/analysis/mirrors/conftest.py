"""Run folders that grow as a search would make them grow."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.run.ledger import Run, Trial


class Growing:
    """A run folder of one's own, to which a test adds what a search would commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def trial(self, index: int) -> Path:
        return next((self.folder / "trials").glob(f"{index:04d}-*"))

    def row(self, index: int, epoch: int, value: float, seconds: float = 2.0) -> None:
        row = {"epoch": epoch, "train_loss": 1 / epoch, "train_accuracy": value, "val_loss": 1.0, "val_accuracy": value}
        self.line(self.trial(index) / "epochs.jsonl", row | {"lr": 0.001})
        timing = {"epoch": epoch, "seconds": seconds, "images_per_second": 100.0, "host": "secret", "device": "cpu"}
        self.line(self.trial(index) / "timing.jsonl", timing)

    def end(self, index: int, outcome: str, **facts: Any) -> None:
        self.line(self.trial(index) / "epochs.jsonl", {"outcome": outcome, **facts})

    def stop(self, index: int, epoch: int) -> None:
        decision = {"sequence": 1, "trial": index, "epoch": epoch, "value": 0.1, "cutoff": 0.2, "decision": "stop"}
        self.line(self.folder / "decisions.jsonl", decision)

    def ask(self, **totals: int) -> None:
        before = json.loads((self.folder / "totals.jsonl").read_text().splitlines()[-1])
        self.line(self.folder / "totals.jsonl", before | totals)

    @staticmethod
    def line(path: Path, record: dict[str, Any]) -> None:
        with path.open("a") as file:
            file.write(json.dumps(record) + "\n")


RANGES = {
    "lr": "loguniform(1e-05, 0.01)",
    "dropout": "uniform(0, 0.6)",
    "depth": "integers(1, 4)",
    "width": "choice(256, 512, 1024)",
    "augment": "choice(none, flip)",
}


@pytest.fixture(scope="session")
def grow(
    trial: Callable[..., Trial], run: Callable[..., Run], save: Callable[[Path, Run], Path]
) -> Callable[[Path], Growing]:
    """Six planned trials of four epochs, nothing trained yet; the second lies outside the space, as a warm start may."""

    def make(runs: Path) -> Growing:
        planned = [
            trial(index, (), "planned", epochs=4, lr=10.0 ** -(2 + index / 2), dropout=0.1 * index, depth=1 + index % 4,
                  width=256, augment="flip", source="baseline" if index == 0 else "random")
            for index in range(6)
        ]  # fmt: skip
        planned[1] = trial(1, (), "planned", epochs=4, lr=0.5, depth=2, width=512, augment="none", source="warm")
        return Growing(save(runs / "grown", run(planned, space_params=RANGES)))

    return make


@pytest.fixture
def growing(grow: Callable[[Path], Growing], tmp_path: Path) -> Growing:
    return grow(tmp_path / "runs")


def end_in_every_way(growing: Growing) -> Growing:
    """One trial of every kind: finished, stopped, diverged, failed, running, planned."""
    for epoch, value in enumerate((0.5, 0.8, 0.7, 0.6), 1):
        growing.row(0, epoch, value)
    growing.end(0, "finished")
    growing.row(1, 1, 0.3)
    growing.stop(1, 1)
    growing.row(2, 1, 0.2)
    growing.end(2, "diverged", epoch=2)
    growing.end(3, "failed", error="RuntimeError: broken", where="train.py:1")
    growing.row(4, 1, 0.4)
    return growing


@pytest.fixture
def ended(growing: Growing) -> Growing:
    return end_in_every_way(growing)


@pytest.fixture(scope="module")
def ended_once(grow: Callable[[Path], Growing], tmp_path_factory: pytest.TempPathFactory) -> Growing:
    """The same for tests that only read what is made of it."""
    return end_in_every_way(grow(tmp_path_factory.mktemp("once") / "runs"))
