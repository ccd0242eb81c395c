"""ResNet-18 in torch alone, with the names of torchvision's weights: what an export of that model carries.

After He et al. 2016 (Deep Residual Learning for Image Recognition, table 1 and section 4.2). A test holds its outputs to
those of the network that was trained.
"""

import torch.nn.functional as F
from torch import Tensor, nn

SMALL = 64  # pixels of an image's side up to which it is looked at in full


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; where the shape changes, the shortcut is a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        shortcut = [nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)]
        self.downsample = nn.Sequential(*(shortcut if stride > 1 else []))

    def forward(self, images: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(images)))
        return F.relu(self.bn2(self.conv2(inner)) + self.downsample(images))


class ResNet18(nn.Module):
    """(N, 3, S, S) to logits (N, classes)."""

    def __init__(self, dropout: float, classes: int, image_size: int) -> None:
        super().__init__()
        is_small = image_size <= SMALL
        kernel, stride, padding = (3, 1, 1) if is_small else (7, 2, 3)
        self.conv1 = nn.Conv2d(3, 64, kernel, stride, padding, bias=False)
        self.maxpool = nn.Identity() if is_small else nn.MaxPool2d(3, 2, 1)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512, 1))
        self.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(512, classes))

    def forward(self, images: Tensor) -> Tensor:
        features = self.maxpool(F.relu(self.bn1(self.conv1(images))))
        features = self.layer4(self.layer3(self.layer2(self.layer1(features))))
        logits: Tensor = self.fc(features.mean((2, 3)))
        return logits


def resnet18(classes: int, dropout: float, image_size: int = 32) -> nn.Module:
    """The untrained network."""
    return ResNet18(dropout, classes, image_size)
