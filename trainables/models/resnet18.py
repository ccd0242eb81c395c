"""torchvision's ResNet-18, for small images."""

from typing import Annotated

from torch import nn

from trainables.models.layers.dropout import Dropout
from trainables.parts.bounds import between

SMALL = 64  # pixels of an image's side up to which the image is not reduced first


def resnet18(classes: int, dropout: Annotated[float, between(0, 0.9999)] = 0.0, image_size: int = 32) -> nn.Module:
    """torchvision's ResNet-18. Up to SMALL pixels it has a 3x3 stem without stride or pooling (He et al. 2016, section 4.2)."""
    import torchvision.models  # takes seconds to import, so only here

    model: nn.Module = torchvision.models.resnet18(num_classes=classes)
    if image_size <= SMALL:
        model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        model.maxpool = nn.Identity()
    model.fc = nn.Sequential(Dropout(dropout), nn.Linear(512, classes))
    return model
