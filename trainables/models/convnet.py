"""A plain convolutional network."""

from typing import Annotated

from torch import nn

from trainables.models.layers.dropout import Dropout
from trainables.models.layers.normpool import NormPool
from trainables.parts.bounds import between

LEAK = 0.01  # slope of LeakyReLU below zero


def convnet(
    classes: int,
    depth: Annotated[int, between(1, 16)] = 3,
    width: Annotated[int, between(1, 65536)] = 32,
    dropout: Annotated[float, between(0, 0.9999)] = 0.0,
    image_size: int = 32,
) -> nn.Module:
    """A network of `depth` blocks: 3x3 convolution, batch normalisation, pooling in the first three blocks, and LeakyReLU.

    The first three blocks halve the image; blocks two to four each double the channels. In a block that halves the image,
    normalisation, pooling and LeakyReLU are one layer, for speed. Two identity layers behind it keep the names of the weights as
    they were with three layers. The average pooling at the end is not torch's adaptive one: the memory layout of its gradient
    makes the gradient of LeakyReLU ten times slower.
    """
    layers: list[nn.Module] = []
    channels = 3
    for block in range(depth):
        outputs = width << min(block, 3)
        layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False)]
        halved = [NormPool(outputs, LEAK), nn.Identity(), nn.Identity()]
        layers += halved if block < 3 else [nn.BatchNorm2d(outputs), nn.LeakyReLU(LEAK)]
        channels = outputs
    side = image_size >> min(depth, 3)
    head = [nn.AvgPool2d(side), nn.Flatten(), Dropout(dropout), nn.Linear(channels, classes)]
    return nn.Sequential(*layers, *head)
