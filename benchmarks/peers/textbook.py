"""What is the same for every peer: the task, the images, the networks and a plain training loop in float32.

Written as the tutorials of PyTorch are: a Dataset that turns each image into a PIL image and transforms it (as torchvision's
CIFAR10 does), a DataLoader, AdamW, an evaluation after each epoch.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

BATCH = 128


@dataclass(frozen=True)
class Task:
    """What every side trains: one trial for each learning rate, so many of them at a time on one thread each."""

    model: str  # mlp or convnet
    augmented: bool  # crop and flip
    rates: tuple[float, ...]
    epochs: int
    concurrent: int
    mean: tuple[float, float, float]  # pixels scaled 0 to 1
    std: tuple[float, float, float]


class Done(NamedTuple):
    """After an epoch (from 1): the accuracy on the validation images, 0 to 1, and what a checkpoint needs."""

    epoch: int
    accuracy: float
    net: nn.Module
    optimizer: torch.optim.Optimizer


def write(folder: Path, task: Task, arrays: dict[str, np.ndarray]) -> None:
    """Leave a task and its arrays (train, train-labels, val, val-labels) for `read` and `Images`."""
    folder.mkdir()
    (folder / "task.json").write_text(json.dumps(asdict(task)))
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def read(folder: str | Path) -> Task:
    return Task(**json.loads((Path(folder) / "task.json").read_text()))


MOVES = {
    "none": [],
    "flip": [transforms.RandomHorizontalFlip()],
    "standard": [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()],
}


class Images(Dataset):
    """A split of the task, one PIL image at a time, moved at random as the augmentation says."""

    def __init__(self, folder: str | Path, split: str, task: Task, augment: str = "none") -> None:
        self.images, self.labels = (np.load(Path(folder) / f"{split}{part}.npy") for part in ("", "-labels"))
        self.transform = transforms.Compose(
            [*MOVES[augment], transforms.ToTensor(), transforms.Normalize(task.mean, task.std)]
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def mlp() -> nn.Module:
    """The network of lr_sweep."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in ((3072, 1024), (1024, 512), (512, 256)):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.LeakyReLU(0.01), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(256, 10))


def convnet(width: int = 32, dropout: float = 0.3) -> nn.Module:
    """Our convnet of depth 3."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)]
        layers += [nn.LeakyReLU(0.01), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(4 * width, 10))


NETWORKS = {"mlp": mlp, "convnet": convnet}


def train(folder: str | Path, rate: float, loader_processes: int = 0) -> Iterator[Done]:
    """Train one network with this learning rate, and yield after each epoch."""
    task = read(folder)
    net = NETWORKS[task.model]()
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-4)
    images = Images(folder, "train", task, "standard" if task.augmented else "none")
    yield from fit(net, optimizer, images, Images(folder, "val", task), task.epochs, loader_processes)


def fit(
    net: nn.Module, optimizer: torch.optim.Optimizer, train: Images, val: Images, epochs: int, loader_processes: int
) -> Iterator[Done]:
    """The plain loop: yields after each epoch."""
    criterion = nn.CrossEntropyLoss()
    train_loader = DataLoader(train, batch_size=BATCH, shuffle=True, num_workers=loader_processes)
    val_loader = DataLoader(val, batch_size=BATCH, num_workers=loader_processes)
    for epoch in range(1, epochs + 1):
        net.train()
        for inputs, labels in train_loader:
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
            loss.backward()
            optimizer.step()
        yield Done(epoch, evaluate(net, val_loader), net, optimizer)


def evaluate(net: nn.Module, loader: DataLoader) -> float:
    """The share of images whose class is predicted."""
    net.eval()
    correct = total = 0
    with torch.no_grad():
        for inputs, labels in loader:
            correct += (net(inputs).argmax(1) == labels).sum().item()
            total += len(labels)
    return correct / total


def report(best: dict[float, float]) -> None:
    """Print the best accuracy of each rate, the last line that a peer prints."""
    print(json.dumps({f"{rate:g}": accuracy for rate, accuracy in best.items()}), flush=True)
