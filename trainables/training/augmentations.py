"""Augmentation of whole batches on their device, every image with random numbers of its own.

Images come in as uint8 (N, 32, 32, 3), the way they are stored; crop and flip move bytes and work on those. The others
work on normalised images (N, 3, 32, 32), where zero is the mean colour. `cutout`, `mixup` and `cutmix` come on top of
`standard` (crop and flip), as in the papers they are from.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

PADDING = 4  # pixels around an image before it is cropped back to its size
HOLE = 16  # side of the square that cutout erases (DeVries & Taylor 2017, CIFAR-10)

MOVES = {"none": "", "flip": "flip", "crop": "crop"}  # every other augmentation starts from crop and flip


class Batch(NamedTuple):
    """Images with two labels each, and the weight (0 to 1) of the first; without mixing both labels are the same."""

    images: Tensor  # float (N, 3, 32, 32)
    labels: Tensor  # int64 (N,)
    others: Tensor  # int64 (N,)
    weight: Tensor | None  # float (N,), None for all ones


def augment(name: str, images: Tensor, labels: Tensor, mean: Tensor, std: Tensor, generator: Generator) -> Batch:
    """Augment and normalise one batch of uint8 images (N, 32, 32, 3); `mean` and `std` are those of `normalise`."""
    moves = MOVES.get(name, "crop flip")
    if "crop" in moves:
        images = crop(images, generator)
    if "flip" in moves:
        images = flip(images, generator)
    inputs = normalise(images, mean, std)
    if name == "cutout":
        inputs = cutout(inputs, generator)
    elif name == "mixup":
        return mixup(inputs, labels, generator)
    elif name == "cutmix":
        return cutmix(inputs, labels, generator)
    return Batch(inputs, labels, labels, None)


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """uint8 (N, 32, 32, 3) to float (N, 3, 32, 32), channels last in memory.

    mean and std are on the scale 0 to 255 and repeated for every pixel, (32 * 32 * 3,): a subtraction of whole rows is
    several times faster on a CPU than one that repeats three numbers.
    """
    rows = images.flatten(1).float()
    return rows.sub_(mean).div_(std).view(images.shape).permute(0, 3, 1, 2)


def flip(images: Tensor, generator: Generator) -> Tensor:
    """Mirror each image left to right with probability one half."""
    mirrored = random(images, generator) < 0.5
    both = torch.cat([images, images.flip(2)])  # whole images are copied much faster than bytes are chosen one by one
    return both.index_select(0, torch.arange(len(images), device=images.device) + len(images) * mirrored)


def crop(images: Tensor, generator: Generator) -> Tensor:
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
    return pieces.index_select(0, (3 * (side * rows + left[:, None])).view(-1)).view(images.shape)


def cutout(images: Tensor, generator: Generator) -> Tensor:
    """Erase a square of HOLE pixels around a random pixel of each image; it may hang over the edge."""
    size = images.shape[-1]
    rows, columns = (spans(random(images, generator) * size, HOLE, size) for _ in range(2))
    nothing = images.new_zeros(())  # on the device: a number of Python's would be sent there, which no graph may
    holes = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(holes, nothing, images)  # unlike masked_fill, keeps the layout


def mixup(images: Tensor, labels: Tensor, generator: Generator) -> Batch:
    """Blend each image with another of the batch (Zhang et al. 2018, alpha = 1: a uniform weight)."""
    partner = permutation(images, generator)
    weight = random(images, generator)
    share = weight[:, None, None, None]
    return Batch(share * images + (1 - share) * take(images, partner), labels, labels.index_select(0, partner), weight)


def cutmix(images: Tensor, labels: Tensor, generator: Generator) -> Batch:
    """Paste a box of another image of the batch into each image (Yun et al. 2019, alpha = 1); labels weigh by area."""
    partner = permutation(images, generator)
    size = images.shape[-1]
    side = size * random(images, generator).sqrt()  # of the box: its area is uniform
    rows, columns = (spans(random(images, generator) * size, side, size) for _ in range(2))
    box = rows[:, :, None] & columns[:, None, :]
    weight = 1 - box.float().mean(dim=(1, 2))
    return Batch(
        torch.where(box[:, None], take(images, partner), images), labels, labels.index_select(0, partner), weight
    )


def spans(centre: Tensor, length: Tensor | float, size: int) -> Tensor:
    """Boolean (N, size): the pixels less than half of length (scalar or (N,)) away from centre (N,)."""
    half = (
        length[:, None] / 2 if isinstance(length, Tensor) else length / 2
    )  # a number made a tensor would wait for a GPU
    pixels = torch.arange(size, device=centre.device) + 0.5
    return (pixels - centre[:, None]).abs() < half


def take(images: Tensor, chosen: Tensor) -> Tensor:
    """The chosen of normalised images; indexing a view that is permuted would copy number by number."""
    return images.permute(0, 2, 3, 1).index_select(0, chosen).permute(0, 3, 1, 2)


def random(images: Tensor, generator: Generator) -> Tensor:
    """One uniform number from 0 to 1 for each image."""
    return torch.rand(len(images), device=images.device, generator=generator)


def permutation(images: Tensor, generator: Generator) -> Tensor:
    """A partner for each image, every image once."""
    return torch.randperm(len(images), device=images.device, generator=generator)
