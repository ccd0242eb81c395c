"""No augmentation."""

from torch import Generator, Tensor


def none(images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return the images and labels unchanged."""
    return images, labels
