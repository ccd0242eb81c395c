"""A training loop as tutorials write it, as a program of its own.

python -m benchmarks.session.textbook FOLDER DEVICE SECONDS      prints images per second
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from trainables.data import loading

BATCH, WORKERS = 128, 3


class Images(Dataset):  # type: ignore[type-arg]
    """Training images, converted one at a time through PIL as in tutorials."""

    def __init__(self, folder: Path) -> None:
        self.images, self.labels = np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy")
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.25,) * 3)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def write(folder: Path, images: loading.Dataset) -> None:
    np.save(folder / "images.npy", images.train.images)
    np.save(folder / "labels.npy", images.train.labels)


def network() -> nn.Module:
    """A network in the middle of the space mlp_random: three hidden layers of 512, 256 and 128 features."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in ((3072, 512), (512, 256), (256, 128)):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.LeakyReLU(0.01), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(128, 10))


def main() -> None:
    folder, device, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    model, criterion = network().to(device), nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    on_gpu = device == "cuda"
    loader = DataLoader(Images(folder), BATCH, shuffle=True, num_workers=WORKERS if on_gpu else 0, pin_memory=on_gpu)
    began, done, batches = time.perf_counter(), 0, 0
    while True:
        for inputs, labels in loader:
            loss = criterion(model(inputs.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            batches, done = batches + 1, done + len(labels)
            if batches == 2:  # workers are there and kernels are loaded
                began, done = time.perf_counter(), 0
            elif batches > 2 and time.perf_counter() - began > seconds:
                print(done / (time.perf_counter() - began))
                return


if __name__ == "__main__":
    main()
