"""The convnet of trainables.models.convnet from layers of torch alone, one after another as in a textbook.

The names of the weights are those of that one, so `model.safetensors` fits both. A test compares what they compute.
"""

from torch import nn

LEAK = 0.01  # slope of LeakyReLU below zero


def convnet(classes: int, depth: int, width: int, dropout: float, image_size: int = 32) -> nn.Module:
    """`depth` blocks of 3x3 convolution; the first three halve the image and each of blocks two to four doubles the channels."""
    layers: list[nn.Module] = []
    channels = 3
    for block in range(depth):
        outputs = width << min(block, 3)
        layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)]
        layers += [nn.MaxPool2d(2)] if block < 3 else []
        layers += [nn.LeakyReLU(LEAK)]
        channels = outputs
    side = image_size >> min(depth, 3)
    head = [nn.AvgPool2d(side), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, classes)]
    return nn.Sequential(*layers, *head)
