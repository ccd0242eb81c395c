"""Parts as a user writes them, in a file of their own."""

import random

import numpy as np
import torch
from torch import nn


class FlowerNet(nn.Module):
    def __init__(self, classes: int, channels: int = 4, kernel: int = 3, dropout: float = 0.2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, channels, kernel, padding=kernel // 2), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
            nn.Dropout(dropout), nn.Linear(16 * channels, classes),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)


def sized(num_classes: int, image_size: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, num_classes))


def focal(logits: torch.Tensor, labels: torch.Tensor, gamma: float = 2.0, dropout: float = 0.0) -> torch.Tensor:
    chances = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    return (-((1 - chances) ** gamma) * chances.clamp(min=1e-6).log()).mean()


class Smooth:
    def __init__(self, smoothing: float = 0.1) -> None:
        self.smoothing = smoothing

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(logits, labels, label_smoothing=self.smoothing)


def two_rates(model: nn.Module, lr: float = 0.05, last_lr: float = 0.01) -> torch.optim.Optimizer:
    *first, weight, bias = model.parameters()
    return torch.optim.SGD([{"params": first, "lr": lr}, {"params": [weight, bias], "lr": last_lr}], momentum=0.9)


def warm(done: float, epochs: int, first: float = 0.1) -> float:
    return min(1.0, (done + 1 / epochs) / first) if first else 1.0


def noisy(images, labels, generator, amount: float = 4.0):
    """Draws from everything that one can draw from."""
    noise = amount * torch.randn(images.shape) + random.random() + float(np.random.rand())
    return (images.float() + noise).clamp(0, 255).to(torch.uint8), labels


def kappa(labels: np.ndarray, predicted: np.ndarray) -> float:
    return float((labels == predicted).mean()) ** 2


def errors(labels: np.ndarray, predicted: np.ndarray) -> float:
    return float((labels != predicted).sum())


errors.mode = "min"
