"""A multilayer perceptron."""

from typing import Annotated

from torch import Tensor, nn

from trainables.models.layers.dropout import Dropout
from trainables.parts.bounds import between

LEAK = 0.01  # slope of LeakyReLU below zero


def mlp(
    classes: int,
    depth: Annotated[int, between(1, 16)] = 3,
    width: Annotated[int, between(1, 65536)] = 1024,
    dropout: Annotated[float, between(0, 0.9999)] = 0.0,
    image_size: int = 32,
) -> nn.Module:
    """A multilayer perceptron with `depth` hidden layers: `width` features, then half as many in each layer, at least 8."""
    layers: list[nn.Module] = [FlattenPixels()]
    features = 3 * image_size * image_size
    for layer in range(depth):
        outputs = max(8, width >> layer)
        layers += [nn.Linear(features, outputs, bias=False), nn.BatchNorm1d(outputs), nn.LeakyReLU(LEAK)]
        layers += [Dropout(dropout)]
        features = outputs
    return nn.Sequential(*layers, nn.Linear(features, classes))


class FlattenPixels(nn.Module):
    """Flatten (N, 3, S, S) to (N, 3 * S * S) in the order of channels-last memory (row, column, channel), without a copy."""

    def forward(self, images: Tensor) -> Tensor:
        return images.permute(0, 2, 3, 1).flatten(1)
