"""torchvision's ResNet-18, for small images."""

from typing import Annotated

from torch import nn

from trainables.models.layers.dropout import Dropout
from trainables.parts.bounds import between


def resnet18(classes: int, dropout: Annotated[float, between(0, 0.9999)] = 0.0) -> nn.Module:
    """torchvision's ResNet-18 with the stem for 32x32 images: 3x3 without stride, no pooling (He et al. 2016, section 4.2)."""
    import torchvision.models  # seconds, so only where it is used

    model: nn.Module = torchvision.models.resnet18(num_classes=classes)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    model.fc = nn.Sequential(Dropout(dropout), nn.Linear(512, classes))
    return model
