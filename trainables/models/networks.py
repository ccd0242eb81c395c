"""The networks, each a function of its configuration: images in as (N, 3, 32, 32) floats, logits out as (N, classes)."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.models.layers.dropout import Dropout
from trainables.models.layers.normpool import NormPool

SIDE = 32  # pixels of an image's height and width
LEAK = 0.01  # slope of LeakyReLU below zero


def build(config: Mapping[str, Any], classes: int) -> nn.Module:
    """The untrained network of a configuration; its weights come from torch's global random state."""
    builders = {"mlp": mlp, "convnet": convnet, "resnet18": resnet18, "resnet": resnet, "speed_net": speed_net}
    return builders[config["model"]](config, classes)


def mlp(config: Mapping[str, Any], classes: int) -> nn.Module:
    """Flatten, then `depth` hidden layers whose width halves from `width`."""
    layers: list[nn.Module] = [FlattenPixels()]
    features = 3 * 32 * 32
    for layer in range(config["depth"]):
        width = max(8, config["width"] >> layer)
        layers += [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.LeakyReLU(LEAK)]
        layers += [Dropout(config["dropout"])]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, classes))


class FlattenPixels(nn.Module):
    """(N, 3, 32, 32) to (N, 3072) in the order pixels lie in memory (row, column, channel), so that nothing is copied."""

    def forward(self, images: Tensor) -> Tensor:
        return images.permute(0, 2, 3, 1).flatten(1)


def convnet(config: Mapping[str, Any], classes: int) -> nn.Module:
    """`depth` blocks of 3x3 convolution; the first three halve the image and each of blocks two to four doubles the channels.

    Normalising, pooling and LeakyReLU of a block that halves the image are one layer, for speed; the two that are nothing keep
    the names that weights had when they were three. The average at the end is not torch's adaptive one, whose gradient lies in
    memory such that LeakyReLU's is ten times slower.
    """
    layers: list[nn.Module] = []
    channels = 3
    for block in range(config["depth"]):
        width = config["width"] << min(block, 3)
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
        halved = [NormPool(width, LEAK), nn.Identity(), nn.Identity()]
        layers += halved if block < 3 else [nn.BatchNorm2d(width), nn.LeakyReLU(LEAK)]
        channels = width
    side = SIDE >> min(config["depth"], 3)
    head = [nn.AvgPool2d(side), nn.Flatten(), Dropout(config["dropout"]), nn.Linear(channels, classes)]
    return nn.Sequential(*layers, *head)


def resnet18(config: Mapping[str, Any], classes: int) -> nn.Module:
    """torchvision's ResNet-18 with the stem for 32x32 images: 3x3 without stride, no pooling (He et al. 2016, section 4.2)."""
    import torchvision.models  # seconds, so only where it is used

    model: nn.Module = torchvision.models.resnet18(num_classes=classes)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    model.fc = nn.Sequential(Dropout(config["dropout"]), nn.Linear(512, classes))
    return model


def resnet(config: Mapping[str, Any], classes: int) -> nn.Module:
    """The CIFAR network of He et al. 2016, section 4.2: 3 stages of n blocks, depth = 6n + 2, channels doubling from `width`."""
    layers: list[nn.Module] = [norm_conv(3, config["width"]), nn.ReLU()]
    channels = config["width"]
    for stage in range(3):
        width = config["width"] << stage
        for _ in range((config["depth"] - 2) // 6):
            layers.append(ResidualBlock(channels, width))
            channels = width
    head = [nn.AvgPool2d(SIDE >> 2), nn.Flatten(), Dropout(config["dropout"]), nn.Linear(channels, classes)]
    model = nn.Sequential(*layers, *head)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around which the input is added; where the channels double, the image is halved.

    The shortcut has no parameters: it takes every second pixel and fills the new channels with zeros (option A of the
    paper, which is what its CIFAR networks use).
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


def norm_conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """A 3x3 convolution and its batch normalisation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs))


def speed_net(config: Mapping[str, Any], classes: int) -> nn.Module:
    """A shallow network for few epochs, after Jordan 2024 (airbench94): whitened patches, three groups of two convolutions.

    Channels are width, 4 width and 4 width; convolutions start as the identity as far as their channels go. Of the recipe
    only the network is here: no alternating flip, no averaging of weights, no test-time augmentation, no frozen scale in
    batch normalisation, and no scaling of the logits.
    """
    layers: list[nn.Module] = [Whitening(), nn.GELU()]
    channels = Whitening.FILTERS
    for width in (config["width"], 4 * config["width"], 4 * config["width"]):
        layers += [identity_conv(channels, width), nn.MaxPool2d(2), nn.BatchNorm2d(width), nn.GELU()]
        layers += [identity_conv(width, width), nn.BatchNorm2d(width), nn.GELU()]
        channels = width
    head = [nn.MaxPool2d(3), nn.Flatten(), Dropout(config["dropout"]), nn.Linear(channels, classes)]
    return nn.Sequential(*layers, *head)


def identity_conv(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution whose first filters pass their channel through at the start; the others are random."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(layer.weight[: min(inputs, outputs)])
    return layer


class Whitening(nn.Module):
    """2x2 patches on the axes of their covariance, each divided by its standard deviation, with both signs.

    The filters are no parameters: `fit` computes them from training images, and they are saved with the weights.
    (N, 3, 32, 32) to (N, 24, 31, 31).
    """

    AXES = 3 * 2 * 2
    FILTERS = 2 * AXES
    IMAGES = 500  # are enough: half a million patches for twelve axes
    SMALLEST = 5e-4  # added to each variance, so that noise on flat patches is not blown up

    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", torch.zeros(self.FILTERS, 3, 2, 2))
        self.bias = nn.Parameter(torch.zeros(self.FILTERS))

    def forward(self, images: Tensor) -> Tensor:
        return F.conv2d(images, self.filters, self.bias)

    def fit(self, images: Tensor) -> None:
        """Set the filters from normalised images (N, 3, 32, 32). Draws no random number."""
        patches = F.unfold(images.double().cpu(), 2).transpose(0, 1).flatten(1)  # (12, patches)
        variances, axes = torch.linalg.eigh(torch.cov(patches))
        filters = (axes / (variances + self.SMALLEST).sqrt()).T.reshape(-1, 3, 2, 2)
        self.filters.copy_(torch.cat([filters, -filters]))
