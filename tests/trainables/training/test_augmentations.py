"""Augmentation of whole batches: pytest tests/trainables/training/test_augmentations.py"""

import pytest
import torch
import torch.nn.functional as F

from trainables.augmentations.crop import PADDING, crop, enlarged_at_once, one_by_one, windows
from trainables.augmentations.cutmix import pasted
from trainables.augmentations.cutout import erased
from trainables.augmentations.flip import flip
from trainables.augmentations.mixup import blended
from trainables.config import AUGMENTATIONS
from trainables.training.augmentations import augment, normalise

COUNT = 64
MEAN, STD = (torch.tensor(values).repeat(32 * 32) for values in ([100.0, 110.0, 120.0], [50.0, 60.0, 70.0]))


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def images():
    return torch.randint(1, 256, (COUNT, 32, 32, 3), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


LABELS = torch.arange(COUNT)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_keeps_shape_and_layout_and_follows_its_seed(name, images):
    first, again, other = (
        augment({"augment": name}, images, LABELS, MEAN, STD, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert first.images.shape == (COUNT, 3, 32, 32)
    assert first.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.images, other.images) == (name == "none")


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_no_augmentation_changes_the_stored_images(name, images, generator):
    before = images.clone()
    augment({"augment": name}, images, LABELS, MEAN, STD, generator)
    assert torch.equal(images, before)


def test_normalising_uses_the_statistics_of_each_channel(images):
    expected = (images[3, 4, 5].float() - MEAN[:3]) / STD[:3]
    assert torch.allclose(normalise(images, MEAN, STD)[3, :, 4, 5], expected)


def test_flip_mirrors_about_half_of_the_images_and_leaves_the_others(images, generator):
    flipped = flip(images, LABELS, generator)[0]
    mirrored = (flipped == images.flip(2)).flatten(1).all(1)
    same = (flipped == images).flatten(1).all(1)
    assert (mirrored | same).all()
    assert COUNT // 4 < mirrored.sum() < 3 * COUNT // 4


def test_crop_shifts_each_image_by_its_own_offset_over_black(images, generator):
    cropped = crop(images, LABELS, generator)[0]
    padded = torch.nn.functional.pad(images, (0, 0, 4, 4, 4, 4))
    offsets = set()
    for before, after in zip(padded, cropped, strict=True):
        found = [(y, x) for y in range(9) for x in range(9) if torch.equal(before[y : y + 32, x : x + 32], after)]
        assert len(found) == 1
        offsets.add(found[0])
    assert len(offsets) > 20


def test_cutout_erases_one_square_of_at_most_sixteen_pixels(generator):
    holes = erased(torch.ones(COUNT, 3, 32, 32), generator) == 0
    rows, columns = holes.any(1).any(2).sum(1), holes.any(1).any(1).sum(1)
    assert torch.equal(holes.sum((1, 2, 3)), 3 * rows * columns)
    assert 8 <= rows.min() <= rows.max() <= 16
    assert 8 <= columns.min() <= columns.max() <= 16


def test_mixup_blends_images_and_labels_by_the_same_weight(generator):
    images = LABELS.float()[:, None, None, None].expand(COUNT, 3, 32, 32)
    mixed, batch = blended(images, LABELS, generator)
    assert torch.allclose(mixed[:, 0, 0, 0], batch.weight * batch.labels + (1 - batch.weight) * batch.others, atol=1e-4)
    assert sorted(batch.others.tolist()) == LABELS.tolist()


def test_cutmix_weighs_labels_by_the_area_that_is_left(generator):
    images = LABELS.float()[:, None, None, None].expand(COUNT, 3, 32, 32)
    mixed, batch = pasted(images, LABELS, generator)
    kept = (mixed[:, 0] == LABELS[:, None, None]).float().mean((1, 2))
    moved = batch.others != batch.labels
    assert torch.allclose(kept[moved], batch.weight[moved])
    assert 0.2 < batch.weight.mean() < 0.9


def test_cropping_and_mirroring_whole_rows_is_what_slicing_each_image_would_be():
    images = torch.randint(256, (17, 32, 32, 3), dtype=torch.uint8)
    moved, _ = flip(*crop(images, LABELS[:17], torch.Generator().manual_seed(5)), torch.Generator().manual_seed(6))
    dice = torch.Generator().manual_seed(5)
    top, left = (torch.randint(2 * PADDING + 1, (17,), generator=dice) for _ in range(2))
    mirrored = torch.rand(17, generator=torch.Generator().manual_seed(6)) < 0.5
    assert mirrored.any() and not mirrored.all()
    for index, image in enumerate(images):
        padded = F.pad(image, (0, 0, PADDING, PADDING, PADDING, PADDING))
        window = padded[top[index] :, left[index] :][:32, :32]
        assert torch.equal(moved[index], window.flip(1) if mirrored[index] else window)


LARGE = torch.nn.functional.interpolate(torch.rand(8, 3, 9, 9, generator=torch.Generator().manual_seed(2)), (100, 100))
LARGE = LARGE.mul(255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def test_a_window_of_a_large_image_has_any_size_and_is_enlarged():
    places = windows(LARGE.repeat(50, 1, 1, 1), torch.Generator().manual_seed(0))
    left, top, width, height = places.unbind(1)
    assert (places == places.round()).all()
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (left + width <= 100).all()
    assert (top + height <= 100).all()
    share, aspect = width * height / 1e4, width / height
    assert share.min() > 0.05
    assert share.max() > 0.9
    assert 0.3 < share.mean() < 0.65
    assert 0.7 < aspect.min() < aspect.max() < 1.4
    cropped, labels = crop(LARGE, LABELS[:8], torch.Generator().manual_seed(1))
    assert cropped.shape == LARGE.shape
    assert cropped.dtype == torch.uint8
    assert labels is not None
    assert not torch.equal(cropped, LARGE)


def test_a_gpu_enlarges_as_a_processor_does():
    """But for rounding, and the outermost pixels, for which the one looks beyond the window."""
    places = windows(LARGE, torch.Generator().manual_seed(3))
    apart = (one_by_one(LARGE, places).int() - enlarged_at_once(LARGE, places).int()).abs()
    assert apart[:, 5:-5, 5:-5].max() <= 2
    whole = torch.tensor([[0.0, 0.0, 100.0, 100.0]]).repeat(8, 1)
    assert torch.equal(one_by_one(LARGE, whole), LARGE)
    assert torch.equal(enlarged_at_once(LARGE, whole), LARGE)


def test_an_image_of_64_pixels_is_shifted_and_one_of_65_is_not():
    black = torch.zeros(4, 64, 64, 3, dtype=torch.uint8)
    for size, has_border in ((64, True), (65, False)):
        white = black.new_full((4, size, size, 3), 255)
        assert bool((crop(white, LABELS[:4], torch.Generator().manual_seed(4))[0] == 0).any()) == has_border


def test_a_hole_has_half_the_side_of_any_image():
    for size in (32, 64, 100):
        holes = erased(torch.ones(200, 3, size, size), torch.Generator().manual_seed(0)) == 0
        assert holes[:, 0].flatten(1).sum(1).max() == (size // 2) ** 2
