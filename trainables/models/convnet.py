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
    """`depth` blocks of 3x3 convolution; the first three halve the image and each of blocks two to four doubles the channels.

    Normalising, pooling and LeakyReLU of a block that halves the image are one layer, for speed; the two that are nothing keep
    the names that weights had when they were three. The average at the end is not torch's adaptive one, whose gradient lies in
    memory such that LeakyReLU's is ten times slower.
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
