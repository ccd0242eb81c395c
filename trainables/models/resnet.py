"""The residual networks of He et al. 2016 for CIFAR: ResNet-20 to -56 and their like."""

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from trainables.models.layers.dropout import Dropout
from trainables.parts.bounds import between

SMALL = 64  # pixels of an image's side up to which the image is not reduced first


def resnet(
    classes: int,
    depth: Annotated[int, between(8, 1202, 6)] = 20,
    width: Annotated[int, between(1, 65536)] = 16,
    dropout: Annotated[float, between(0, 0.9999)] = 0.0,
    image_size: int = 32,
) -> nn.Module:
    """The CIFAR network of He et al. 2016, section 4.2: 3 stages of n blocks, depth = 6n + 2, channels doubling from `width`.

    Images with a side of more than SMALL pixels are first reduced to a quarter of their side, as in the paper's networks for
    ImageNet.
    """
    is_small = image_size <= SMALL
    layers: list[nn.Module] = [norm_conv(3, width) if is_small else quartering(width), nn.ReLU()]
    side = -(-image_size // (4 if is_small else 16))  # side of the last stage's output
    channels = width
    for stage in range(3):
        outputs = width << stage
        for _ in range((depth - 2) // 6):
            layers.append(ResidualBlock(channels, outputs))
            channels = outputs
    head = [nn.AvgPool2d(side), nn.Flatten(), Dropout(dropout), nn.Linear(channels, classes)]
    model = nn.Sequential(*layers, *head)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, to whose output the input is added. If the channels double, the image is halved.

    The shortcut has no parameters. If the image is halved, the shortcut takes every second pixel and fills the new channels with
    zeros (option A of the paper, which its CIFAR networks use).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride, self.added = 1 if inputs == outputs else 2, outputs - inputs
        self.first, self.second = norm_conv(inputs, outputs, self.stride), norm_conv(outputs, outputs)

    def forward(self, images: Tensor) -> Tensor:
        shortcut = images
        if self.added:
            shortcut = F.pad(images[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))
        return F.relu(self.second(F.relu(self.first(images))) + shortcut)


def quartering(outputs: int) -> nn.Module:
    """A 7x7 convolution and pooling that both halve the image; (N, 3, S, S) to (N, outputs, S / 4, S / 4), rounded up."""
    first = nn.Conv2d(3, outputs, 7, 2, padding=3, bias=False)
    return nn.Sequential(first, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1))


def norm_conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """A 3x3 convolution and its batch normalisation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs))
