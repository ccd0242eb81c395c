"""Random windows of padded images."""

import torch
from torch import Generator, Tensor

PADDING = 4  # pixels around an image before it is cropped back to its size


def crop(images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Pad each image with PADDING black pixels and cut a window of its own at a random place."""
    count, size = images.shape[0], images.shape[1]
    padded = images.new_zeros(count, size + 2 * PADDING, size + 2 * PADDING, 3)
    padded[:, PADDING:-PADDING, PADDING:-PADDING] = images
    top, left = (torch.randint(2 * PADDING + 1, (count,), device=images.device, generator=generator) for _ in range(2))
    side = size + 2 * PADDING  # of a padded image, and all images as one column of its rows
    first = torch.arange(0, count * side, side, device=images.device) + top  # row of each window
    rows = first[:, None] + torch.arange(size, device=images.device)
    pieces = padded.view(-1).as_strided(
        (padded.numel() - 3 * size + 1, 3 * size), (1, 1)
    )  # a window's row from any byte on
    return pieces.index_select(0, (3 * (side * rows + left[:, None])).view(-1)).view(images.shape), labels
