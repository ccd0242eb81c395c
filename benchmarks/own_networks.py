"""A network as a user would write it, without this project; `python -m benchmarks.floor` measures its epoch loop."""

from itertools import pairwise

from torch import Tensor, nn


class Perceptron(nn.Module):
    """The layers of the built-in mlp, written as in a textbook."""

    def __init__(self, classes: int, width: int = 1024) -> None:
        super().__init__()
        sizes = [3 * 32 * 32, width, width // 2, width // 4]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.LeakyReLU(), nn.Dropout(0.0)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], classes))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images.flatten(1))
        return logits
