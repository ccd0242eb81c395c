"""The same pixels in two splits are counted and told: pytest tests/trainables/data/test_duplicates.py"""

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trainables.data import cache, duplicates, loading


def prepare(root, tmp_path):
    return loading.load(loading.prepare(f"folder:{root}", tmp_path / "data"))


def copy(root, source, target, names):
    for name, new in names.items():
        shutil.copy(root / source / f"{name}.png", root / target / f"{new}.png")


def test_test_images_copied_from_train_are_told_each_time(make_tree, tmp_path, capsys):
    root = make_tree({"train": 20, "val": 3, "test": 0})
    copy(root, "train/cat", "test/cat", {"train000": "x", "train001": "y"})
    copy(root, "train/dog", "test/dog", {"train000": "x"})
    for _ in range(2):  # the second time nothing is decoded
        assert prepare(root, tmp_path).census["duplicates"] == [{"split": "test", "also": "train", "images": 3}]
        assert "note: 3 of 3 test images also stand among the training images" in capsys.readouterr().err


def test_so_are_those_in_any_other_two_splits_whatever_their_name_class_and_format(make_tree, tmp_path, capsys):
    root = make_tree({"train": 20, "val": 3, "test": 5})
    copy(root, "train/cat", "val/dog", {"train005": "another"})
    Image.open(root / "val/cat/val001.png").save(root / "test/cat/again.png", compress_level=9)
    assert prepare(root, tmp_path).census["duplicates"] == [
        {"split": "val", "also": "train", "images": 1, "relabelled": 1},
        {"split": "test", "also": "val", "images": 1},
    ]
    said = capsys.readouterr().err
    assert "Remove it from one of the two. It is of another class there: one of the two labels is wrong." in said
    assert "1 of 7 validation images also stands among the training images" in said
    assert "1 of 11 test images also stands among the validation images" in said


@pytest.mark.parametrize(
    ("classes", "words"), [(("dog", "cat"), "1 of them is of another"), (("dog", "dog"), "2 of them are of another")]
)
def test_copies_under_another_name_are_counted_by_themselves(make_tree, tmp_path, capsys, classes, words):
    """Also beside a copy of the same class, and where both classes have the picture there is nothing wrong with that one."""
    root = make_tree({"train": 20, "val": 3, "test": 5})
    for place, name in enumerate(classes):
        copy(root, "train/cat", f"test/{name}", {f"train00{place}": f"again{place}"})
    copy(root, "train/dog", "train/cat", {"train003": "both"})
    copy(root, "train/dog", "test/cat", {"train003": "both"})
    prepare(root, tmp_path)
    assert words in capsys.readouterr().err


def test_a_held_out_tenth_can_hold_copies_of_what_is_trained_on(make_tree, tmp_path):
    """Each picture lies there twice: where one of the two is held out, the other mostly is not."""
    root = make_tree({"train": 20, "test": 5})
    for path in list((root / "train").glob("*/*.png")):
        Image.open(path).save(path.with_name(f"{path.stem}-copy.png"))
    found = prepare(root, tmp_path)
    trained = {image.tobytes() for image in found.train.images}
    copies = sum(image.tobytes() in trained for image in found.val.images)
    assert copies > 0
    assert found.census["duplicates"] == [{"split": "val", "also": "train", "images": copies}]


def test_nothing_is_said_of_pictures_that_are_all_unlike(make_tree, tmp_path, capsys):
    root = make_tree({"train": 20, "val": 30, "test": 5})
    copy(root, "train/cat", "train/cat", {"train000": "twice"})  # within one split no value is worth less for it
    assert prepare(root, tmp_path).census["duplicates"] == []
    assert "also stand" not in capsys.readouterr().err


@given(st.integers(0, 3071), st.integers(1, 255), st.integers(0, 2**32 - 1))
def test_images_that_differ_in_one_byte_are_unlike(place, change, seed):
    image = np.random.default_rng(seed).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    changed = image.copy()
    changed.reshape(-1)[place] ^= change
    hashed = duplicates.hashes(np.concatenate([image, changed, image]))
    assert hashed[0] == hashed[2] != hashed[1]


@pytest.mark.parametrize("byte", range(8))
def test_drawings_of_a_few_dots_are_unlike_wherever_these_lie(byte):
    """In the highest byte of each word, say, of which a plain weighted sum would see 256 values in all."""
    random = np.random.default_rng(byte)
    images = np.zeros((500, 384, 8), np.uint8)
    for image in images:
        image[random.integers(384, size=3), byte] = random.integers(1, 256, size=3)
    unlike = np.unique(images.reshape(500, 3072), axis=0).reshape(-1, 32, 32, 3)
    assert len(set(duplicates.hashes(unlike).tolist())) == len(unlike)


def test_moved_pixels_are_other_pixels():
    images = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    turned = [images, images[:, ::-1], images[:, :, ::-1], images[..., ::-1], np.roll(images, 8, 1)]
    every = np.concatenate([np.ascontiguousarray(each) for each in turned])
    assert len(set(duplicates.hashes(every).tolist())) == len(every)


@pytest.mark.parametrize("count", [0, 1, duplicates.STEP, duplicates.STEP + 1])
def test_any_number_of_images_has_as_many_hashes(count):
    images = np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    assert duplicates.hashes(images).shape == (count,)


def test_a_cache_of_before_is_decoded_again(make_tree, tmp_path, monkeypatch):
    root = make_tree({"train": 20, "test": 5})
    monkeypatch.setattr(cache, "VERSION", cache.VERSION - 1)
    old = loading.prepare(f"folder:{root}", tmp_path / "data")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    new = loading.prepare(f"folder:{root}", tmp_path / "data")
    assert new != old
    assert loading.load(new).fingerprint == loading.load(old).fingerprint


def smooth(count, seed):
    """Pictures of a few soft spots each."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (count, 5, 5, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(each).resize((32, 32), Image.Resampling.BICUBIC)) for each in small])


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image, lambda image: (image * 0.8 + 20).astype(np.uint8),
        lambda image: np.clip(image + np.random.default_rng(0).integers(-6, 7, image.shape), 0, 255).astype(np.uint8),
        lambda image: np.asarray(Image.fromarray(image).resize((64, 64)).resize((32, 32))),
    ],
)  # fmt: skip
def test_pictures_that_were_changed_a_little_look_alike_and_others_do_not(change):
    train, val = smooth(300, 1), smooth(60, 2)
    test = np.stack([change(image) for image in train[:20]])
    found = duplicates.near({"train": train, "val": val, "test": np.concatenate([test, smooth(40, 3)])})
    assert len(set(found["test", "train"].tolist()) & set(range(20))) >= 18
    assert len(found["test", "train"]) <= 22
    assert len(found["val", "train"]) <= 2


def test_they_are_counted_when_asked_for(make_tree, tmp_path, capsys):
    from trainables.data.__main__ import _main

    root = make_tree({"train": 20, "val": 3, "test": 0})
    copy(root, "train/cat", "test/cat", {"train000": "x", "train001": "y"})
    _main(f"folder:{root}", tmp_path / "data", False, None, "crop", True)
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "0 val images look like one of train"
    assert printed[2] == "2 test images look like one of train: test[0], test[1]"
