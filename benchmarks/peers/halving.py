"""What is the same for the peers that stop early: the space of convnet_asha, a plain loop over one point of it, the last line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks.peers import textbook
from benchmarks.peers.textbook import BATCH, Done, Images

WIDTHS = (8, 16, 32)
AUGMENTS = ("none", "flip", "standard")
DROPOUT, RATE, DECAY = (0.0, 0.5), (1e-4, 3e-2), (1e-4, 1.0)
BASELINE = {"width": 16, "dropout": 0.0, "lr": 1e-3, "weight_decay": 1e-2, "augment": "standard"}


@dataclass(frozen=True)
class Search:
    """What every side searches: so many points, so many of them at a time on one thread each, so many epochs at most."""

    points: int
    epochs: int
    concurrent: int
    seed: int
    mean: tuple[float, float, float]  # pixels scaled 0 to 1
    std: tuple[float, float, float]


def read(folder: str | Path) -> Search:
    return Search(**json.loads((Path(folder) / "task.json").read_text()))


def train(folder: str | Path, config: dict[str, Any], loader_processes: int = 0) -> Iterator[Done]:
    """Train one point of the space, and yield after each epoch."""
    asked = read(folder)
    net = textbook.convnet(config["width"], config["dropout"])
    optimizer = torch.optim.AdamW(net.parameters(), lr=config["lr"], weight_decay=config["weight_decay"])
    train, val = Images(folder, "train", asked, config["augment"]), Images(folder, "val", asked)
    yield from textbook.fit(net, optimizer, train, val, asked.epochs, loader_processes)


def accuracy_on_test(folder: str | Path, config: dict[str, Any], state: dict[str, torch.Tensor]) -> float:
    """That of the weights on the test images, 0 to 1."""
    net = textbook.convnet(config["width"], config["dropout"])
    net.load_state_dict(state)
    return textbook.evaluate(net, DataLoader(Images(folder, "test", read(folder)), batch_size=BATCH))


def report(val_accuracy: float, test_accuracy: float, epochs: int) -> None:
    """Print what was found, the last line that a peer prints."""
    found = {"val_accuracy": val_accuracy, "test_accuracy": test_accuracy, "epochs": epochs}
    print(json.dumps(found), flush=True)
