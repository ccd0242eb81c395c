"""The networks, each a function of its configuration: images in as (N, 3, 32, 32) floats, logits out as (N, classes)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from trainables.dropout import Dropout

LEAK = 0.01  # slope of LeakyReLU below zero


def build(config: Mapping[str, Any], classes: int) -> nn.Module:
    """The untrained network of a configuration; its weights come from torch's global random state."""
    builders = {"mlp": mlp, "convnet": convnet, "resnet18": resnet18}
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
    """`depth` blocks of 3x3 convolution; the first three halve the image and each of blocks two to four doubles the channels."""
    layers: list[nn.Module] = []
    channels = 3
    for block in range(config["depth"]):
        width = config["width"] << min(block, 3)
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(LEAK)]
        layers += [nn.MaxPool2d(2)] if block < 3 else []
        channels = width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), Dropout(config["dropout"]), nn.Linear(channels, classes)]
    return nn.Sequential(*layers, *head)


def resnet18(config: Mapping[str, Any], classes: int) -> nn.Module:
    """torchvision's ResNet-18 with the stem for 32x32 images: 3x3 without stride, no pooling (He et al. 2016, section 4.2)."""
    import torchvision.models  # seconds, so only where it is used

    model: nn.Module = torchvision.models.resnet18(num_classes=classes)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    model.fc = nn.Sequential(Dropout(config["dropout"]), nn.Linear(512, classes))
    return model
