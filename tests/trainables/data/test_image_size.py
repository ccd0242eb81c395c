"""Pictures decoded in any size, once for each: pytest tests/trainables/data/test_image_size.py"""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from trainables.data import cache, duplicates, loading
from trainables.errors import StorageError
from trainables.hardware import room


@pytest.fixture
def pets(make_tree):
    return make_tree({"train": 16, "test": 2})


def at(pets, size, **how):
    return loading.prepare(f"folder:{pets}", pets.parent / "data", image_size=size, **how)


def test_each_size_has_its_own_images_of_the_same_pictures(pets):
    small, large = at(pets, 32), at(pets, 48)
    assert small != large
    assert at(pets, 32) == small
    assert at(pets, 48) == large
    before, after = loading.load(small), loading.load(large)
    assert after.train.images.shape[1:] == (48, 48, 3)
    assert after.size == 48
    assert after.val.labels.tolist() == before.val.labels.tolist()
    assert after.fingerprint != before.fingerprint
    assert cache.val_names(large) == cache.val_names(small)
    grey = [each.train.images.mean((1, 2, 3)) for each in (before, after)]
    assert np.allclose(*grey, atol=4)  # the same pictures, enlarged


def test_a_size_of_32_is_what_it_was_when_there_was_no_other(pets):
    """Neither the key of the cache nor a byte."""
    found = loading.prepare(f"folder:{pets}", pets.parent / "data")
    assert at(pets, 32) == found
    assert loading.load(found).size == 32


@pytest.mark.parametrize("size", [16, 45, 100])
def test_a_data_set_of_small_images_is_resized(tmp_path, size):
    found = loading.load(loading.prepare("digits", tmp_path / "data", image_size=size, progress=False))
    assert found.train.images.shape == (1197, size, size, 3)
    usual = loading.load(loading.prepare("digits", tmp_path / "data", progress=False))
    assert np.allclose(found.mean, usual.mean, atol=0.01)
    assert found.val.labels.tolist() == usual.val.labels.tolist()


def test_several_sizes_are_the_same_images_and_are_told_of_once(pets, capsys):
    found = loading.prepare_sizes(f"folder:{pets}", pets.parent / "data", [32, 48, 96])
    assert [loading.load(folder).size for folder in found.values()] == [32, 48, 96]
    assert capsys.readouterr().err.count("only ") == 1  # of the few validation images


def test_what_does_not_fit_is_refused_before_a_picture_is_opened(pets, capsys, monkeypatch):
    monkeypatch.setattr(room, "TOLD", 1)
    at(pets, 64)
    assert "36 images of 64 x 64 pixels take 0.0 GB" in capsys.readouterr().err
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(StorageError, match=r"36 images of 224 x 224 pixels take 0\.0 GB and 0\.0 GB are free"):
        at(pets, 224)
    assert not list((pets.parent / "data-cache").glob("*.tmp"))


@pytest.mark.parametrize("size", [17, 32, 45])
def test_copies_are_found_in_images_of_any_size(size):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (300, size, size, 3), dtype=np.uint8)
    hashes = duplicates.hashes(np.concatenate([images, images[:7]]))
    assert len(set(hashes.tolist())) == 300
    assert hashes[300:].tolist() == hashes[:7].tolist()
    darker = (images[:, ::-1] // 2).clip(0, 255).astype(np.uint8)[:, ::-1]
    assert (np.bitwise_count(duplicates.looks(images) ^ duplicates.looks(darker)) <= duplicates.ALIKE).mean() > 0.9
