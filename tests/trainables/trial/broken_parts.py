"""Parts that do not work, each in its own way."""

import numpy as np
import torch
from torch import nn


class Good(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3072, classes)

    def forward(self, images):
        return self.layer(images.flatten(1))


class Spare(Good):
    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.spare = nn.Linear(3, 3)


class WrongShape(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3072, 7)

    def forward(self, images):
        return self.layer(images.flatten(1))


class WrongInput(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3000, classes)

    def forward(self, images):
        return self.layer(images.flatten(1))  # raises


class Unmade(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3072, klasses)  # noqa: F821


class Weightless(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = [nn.Linear(3072, classes)]

    def forward(self, images):
        return self.layers[0](images.flatten(1))


class Restless(Good):
    count = 0

    def forward(self, images):
        Restless.count += 1
        return super().forward(images) * (1 + Restless.count / 100)


class Drifting(Good):
    """All classes are about equally likely, whatever was trained."""

    count = 0

    def forward(self, images):
        Drifting.count += 1
        shift = torch.arange(10) * Drifting.count / 1000
        return 0 * super().forward(images) + shift


class Unsaved(Good):
    def get_extra_state(self):
        return object()

    def set_extra_state(self, state):
        pass


def no_network(classes: int):
    return [classes]


def per_image(logits, labels):
    return nn.functional.cross_entropy(logits, labels, reduction="none")


def detached(logits, labels):
    return nn.functional.cross_entropy(logits, labels).detach()


def infinite(logits, labels):
    return logits.sum() / 0


def halved(images, labels, generator):
    return images[:, :16], labels


def forgetful(images, labels, generator):
    return images, labels[:3]


def no_optimizer(model, lr: float = 0.1):
    return model


def closure(model, lr: float = 0.1):
    return torch.optim.LBFGS(model.parameters(), lr)


def negative(done):
    return -1.0


def nothing(labels, predicted):
    return float("nan")


def unmeasured(labels, predicted):
    return labels[len(labels)]


def worded(labels, predicted):
    return "0.9"


def tensor(labels, predicted):
    return torch.tensor(0.9)


def precision(labels, predicted):
    taken = predicted == 1
    with np.errstate(invalid="ignore"):
        return (taken & (labels == 1)).sum() / taken.sum()


def drawn(labels, predicted):
    return np.random.rand()


def of_three(labels, predicted, weights):
    return 1.0


class Viewed(Good):
    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.first = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images):
        return self.layer(self.first(images).view(len(images), -1))  # viewed


class ViewedOneByOne(Viewed):
    channels_last = False


class OnlyFloat32(Good):
    def forward(self, images):
        inner = self.layer(images.flatten(1))
        return inner @ torch.eye(inner.shape[1], dtype=torch.float32) if inner.dtype == torch.float32 else refuse(inner)


def refuse(inner):
    raise TypeError(f"not made for {inner.dtype}")  # bfloat16
