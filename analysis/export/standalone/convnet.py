"""The convnet of trainables.models.networks.convnet from layers of torch alone, one after another as in a textbook.

The names of the weights are those of that one, so `model.safetensors` fits both. A test compares what they compute.
"""

from collections.abc import Mapping
from typing import Any

from torch import nn

SIDE = 32  # pixels of an image's height and width
LEAK = 0.01  # slope of LeakyReLU below zero


def convnet(config: Mapping[str, Any], classes: int) -> nn.Module:
    """`depth` blocks of 3x3 convolution; the first three halve the image and each of blocks two to four doubles the channels."""
    layers: list[nn.Module] = []
    channels = 3
    for block in range(config["depth"]):
        width = config["width"] << min(block, 3)
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        layers += [nn.MaxPool2d(2)] if block < 3 else []
        layers += [nn.LeakyReLU(LEAK)]
        channels = width
    side = SIDE >> min(config["depth"], 3)
    head = [nn.AvgPool2d(side), nn.Flatten(), nn.Dropout(config["dropout"]), nn.Linear(channels, classes)]
    return nn.Sequential(*layers, *head)
