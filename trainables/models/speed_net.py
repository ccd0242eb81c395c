"""A shallow network for few epochs."""

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.models.layers.dropout import Dropout
from trainables.parts.bounds import between


def speed_net(
    classes: int,
    width: Annotated[int, between(1, 65536)] = 64,
    dropout: Annotated[float, between(0, 0.9999)] = 0.0,
    image_size: int = 32,
) -> nn.Module:
    """A shallow network for few epochs, after Jordan 2024 (airbench94): whitened patches, three groups of two convolutions.

    The groups have width, 4 width and 4 width channels. Convolutions start as the identity on as many channels as input and
    output have in common. This function has only the network of the recipe: no alternating flip, no averaging of weights, no
    test-time augmentation, no frozen scale in batch normalisation, and no scaling of the logits.
    """
    layers: list[nn.Module] = [Whitening(), nn.GELU()]
    channels = Whitening.FILTERS
    for outputs in (width, 4 * width, 4 * width):
        layers += [identity_conv(channels, outputs), nn.MaxPool2d(2), nn.BatchNorm2d(outputs), nn.GELU()]
        layers += [identity_conv(outputs, outputs), nn.BatchNorm2d(outputs), nn.GELU()]
        channels = outputs
    side = (image_size - 1) >> 3  # side of the last group's output
    head = [nn.MaxPool2d(side), nn.Flatten(), Dropout(dropout), nn.Linear(channels, classes)]
    return nn.Sequential(*layers, *head)


def identity_conv(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution whose first min(inputs, outputs) filters are initialised as the identity; the others are random."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(layer.weight[: min(inputs, outputs)])
    return layer


class Whitening(nn.Module):
    """A whitening layer of 2x2 patches, (N, 3, S, S) to (N, 24, S - 1, S - 1).

    Patches are projected on the axes of their covariance, each divided by its standard deviation, with both signs. The filters
    are a buffer and not trained: `fit` computes them from training images, and they are saved with the weights. The bias is
    trained.
    """

    AXES = 3 * 2 * 2
    FILTERS = 2 * AXES
    PATCHES = 500 * 31 * 31  # about half a million patches are enough for twelve axes
    SMALLEST = 5e-4  # added to each variance, so that noise on flat patches is not amplified

    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", torch.zeros(self.FILTERS, 3, 2, 2))
        self.bias = nn.Parameter(torch.zeros(self.FILTERS))

    def forward(self, images: Tensor) -> Tensor:
        return F.conv2d(images, self.filters, self.bias)

    def fit(self, images: Tensor) -> None:
        """Set the filters from normalised images (N, 3, S, S). Draws no random number."""
        patches = F.unfold(images.double().cpu(), 2).transpose(0, 1).flatten(1)  # (12, patches)
        variances, axes = torch.linalg.eigh(torch.cov(patches))
        filters = (axes / (variances + self.SMALLEST).sqrt()).T.reshape(-1, 3, 2, 2)
        self.filters.copy_(torch.cat([filters, -filters]))
