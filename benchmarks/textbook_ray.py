"""The same three trials as lr_sweep, written the way the PyTorch tutorial on Ray Tune teaches it.

A Dataset that turns each image into a PIL image and transforms it (as torchvision's CIFAR10 does), a DataLoader with worker
processes, a loop in float32, a checkpoint with torch.save after each epoch, tune.report, ASHA left out because lr_sweep has
none. https://docs.pytorch.org/tutorials/beginner/hyperparameter_tuning_tutorial.html

    python -m benchmarks.textbook_ray CACHE IMAGES EPOCHS

prints one line of JSON: the best validation accuracy of each rate.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from ray import tune
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

RATES = [1e-3, 5e-4, 1e-4]
BATCH = 128
LOADER_PROCESSES = 2


class Images(Dataset):
    """A split of the decoded data set, one PIL image at a time."""

    def __init__(self, cache: str, split: str, count: int | None = None) -> None:
        images, labels = (np.load(Path(cache) / f"{split}{part}.npy") for part in ("", "-labels"))
        chosen = np.random.default_rng(0).permutation(len(labels))[:count]  # the arrays are in order of class
        self.images, self.labels = images[chosen], labels[chosen]
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.25,) * 3)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def network() -> nn.Module:
    """The network of lr_sweep."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in ((3072, 1024), (1024, 512), (512, 256)):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.LeakyReLU(0.01), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(256, 10))


def train(config: dict, cache: str, images: int, epochs: int) -> None:
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    net = network().to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(net.parameters(), lr=config["lr"], weight_decay=1e-4)
    trainloader = DataLoader(
        Images(cache, "train", images), batch_size=BATCH, shuffle=True, num_workers=LOADER_PROCESSES
    )
    valloader = DataLoader(Images(cache, "val"), batch_size=BATCH, num_workers=LOADER_PROCESSES)
    for epoch in range(epochs):
        net.train()
        for inputs, labels in trainloader:
            optimizer.zero_grad()
            loss = criterion(net(inputs.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
        net.eval()
        correct = 0
        with torch.no_grad():
            for inputs, labels in valloader:
                correct += (net(inputs.to(device)).argmax(1) == labels.to(device)).sum().item()
        with tempfile.TemporaryDirectory() as folder:
            state = {"epoch": epoch, "net": net.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state, Path(folder) / "checkpoint.pt")
            checkpoint = tune.Checkpoint.from_directory(folder)
            tune.report({"accuracy": correct / len(valloader.dataset)}, checkpoint=checkpoint)  # type: ignore[arg-type]


def main(cache: str, images: int, epochs: int) -> None:
    results = tune.Tuner(
        tune.with_resources(tune.with_parameters(train, cache=cache, images=images, epochs=epochs), {"cpu": 1}),
        param_space={"lr": tune.grid_search(RATES)},
        tune_config=tune.TuneConfig(metric="accuracy", mode="max"),
        run_config=tune.RunConfig(storage_path=tempfile.mkdtemp(prefix="textbook-")),
    ).fit()
    best = {f"{result.config['lr']:g}": result.metrics_dataframe["accuracy"].max() for result in results}
    print(json.dumps(best))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
