"""Random windows: small images are padded and cropped to their size, large ones get a resized window of random size."""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from trainables.augmentations.batches import random

PADDING = 4  # pixels around an image before it is cropped back to its size
SMALL = 64  # pixels of an image's side up to which it is padded
AREA, ASPECT = (
    (0.08, 1.0),
    (3 / 4, 4 / 3),
)  # ranges for a window of a larger image, as in Szegedy et al. 2015 and in torchvision


def crop(images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """A random window of each image: images up to SMALL pixels are padded, larger ones resized (random resized crop)."""
    return (padded if images.shape[1] <= SMALL else resized)(images, generator), labels


def resized(images: Tensor, generator: Generator) -> Tensor:
    """A window of random area, aspect and place of each image (N, S, S, 3), enlarged bilinearly to the image's size."""
    places = windows(images, generator)
    return enlarged_at_once(images, places) if images.device.type == "cuda" else one_by_one(images, places)


def windows(images: Tensor, generator: Generator) -> Tensor:
    """Left, top, width and height of a random window in each image, in whole pixels, (N, 4).

    A side that would be longer than the image is cut to the image's side.
    """
    area, shape, across, down = (random(images, generator) for _ in range(4))
    size, side = AREA[0] + (AREA[1] - AREA[0]) * area, images.shape[1]
    aspect = torch.exp(math.log(ASPECT[0]) + (math.log(ASPECT[1]) - math.log(ASPECT[0])) * shape)
    width, height = ((side * (size * ratio).sqrt()).round().clamp(1, side) for ratio in (aspect, 1 / aspect))
    left, top = ((place * (side - own + 1)).floor() for place, own in ((across, width), (down, height)))
    return torch.stack([left, top, width, height], 1)


def one_by_one(images: Tensor, places: Tensor) -> Tensor:
    """Enlarge the window of each image in turn, on bytes. On a CPU this takes a tenth of the time of a sampling grid."""
    result, size = torch.empty_like(images), tuple(images.shape[1:3])
    for into, image, (left, top, width, height) in zip(result, images, places.int().tolist(), strict=True):
        window = image[top : top + height, left : left + width].permute(2, 0, 1)[None]
        into.copy_(F.interpolate(window, size, mode="bilinear")[0].permute(1, 2, 0))
    return result


def enlarged_at_once(images: Tensor, places: Tensor) -> Tensor:
    """Enlarge the windows of all images at once, without reading a number back from the device."""
    side, pixels, none = images.shape[1], images.permute(0, 3, 1, 2), torch.zeros_like(places[:, 0])
    left, top, width, height = places.unbind(1)
    across, down = (
        (2 * first + own) / side - 1 for first, own in ((left, width), (top, height))
    )  # centres of the windows, -1 to 1
    affine = torch.stack([width / side, none, across, none, height / side, down], 1).view(-1, 2, 3)
    grid = F.affine_grid(affine, list(pixels.shape), align_corners=False)
    found = F.grid_sample(pixels.float(), grid, padding_mode="border", align_corners=False)
    return found.round_().to(torch.uint8).permute(0, 2, 3, 1)


def padded(images: Tensor, generator: Generator) -> Tensor:
    """Pad each image with PADDING black pixels on all sides, and cut a window of the image's size at a random place."""
    count, size = images.shape[0], images.shape[1]
    framed = images.new_zeros(count, size + 2 * PADDING, size + 2 * PADDING, 3)
    framed[:, PADDING:-PADDING, PADDING:-PADDING] = images
    top, left = (torch.randint(2 * PADDING + 1, (count,), device=images.device, generator=generator) for _ in range(2))
    side = size + 2 * PADDING  # side of a padded image; the rows of all images form one column
    first = torch.arange(0, count * side, side, device=images.device) + top  # row of each window
    rows = first[:, None] + torch.arange(size, device=images.device)
    pieces = framed.view(-1).as_strided(
        (framed.numel() - 3 * size + 1, 3 * size), (1, 1)
    )  # a window's row from any byte on
    return pieces.index_select(0, (3 * (side * rows + left[:, None])).view(-1)).view(images.shape)
