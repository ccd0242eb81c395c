"""No augmentation."""

from torch import Generator, Tensor


def none(images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """The images as they are stored."""
    return images, labels
