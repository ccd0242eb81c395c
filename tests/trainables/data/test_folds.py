"""Images in folds: pytest tests/trainables/data/test_folds.py"""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.frame import images
from tests.trainables.data.test_groups import FILMS, frames
from trainables.data import cache, census, loading
from trainables.data.held_out import folds
from trainables.data.held_out.folds import Fold, assigned
from trainables.errors import DataError, UsageError

LABELS = st.lists(st.integers(0, 4), min_size=2, max_size=120).map(np.array)
GROUPS = st.lists(st.tuples(st.integers(1, 8), st.integers(0, 2)), min_size=2, max_size=60)
FOLDS = st.integers(2, 10)


@given(labels=LABELS, number=FOLDS, partition=st.integers(0, 3))
def test_folds_and_the_classes_in_them_differ_by_at_most_one_image(labels, number, partition):
    found = assigned(labels, (), number, partition)
    for own in (found, *(found[labels == label] for label in range(5))):
        sizes = np.bincount(own, minlength=number)
        assert sizes.max() - sizes.min() <= 1
    told = [folds.size(len(labels), Fold(number * partition + 1 + place, number)) for place in range(number)]
    assert told == np.bincount(found, minlength=number).tolist()


@given(groups=GROUPS, number=FOLDS)
def test_a_group_is_in_one_fold_and_no_fold_is_larger_than_the_smallest_and_two_groups(groups, number):
    """Each group has some images of one class: what is dealt out is balanced as far as whole groups can be."""
    labels = np.concatenate([np.full(size, label) for size, label in groups])
    of = np.concatenate([np.full(size, place) for place, (size, _) in enumerate(groups)])
    found = assigned(labels, of, number)
    for group in range(len(groups)):
        assert len(set(found[of == group])) == 1
    for label in set(labels):
        sizes = np.bincount(found[labels == label], minlength=number)
        assert sizes.max() - sizes.min() <= max(size for size, own in groups if own == label)


def test_every_process_cuts_alike_and_every_partition_in_its_own_way():
    labels, groups = np.arange(60) % 3, (np.arange(60) // 4).tolist()
    cuts = [(own, partition) for own in ((), groups) for partition in (0, 1)]
    code = (
        "import numpy as np; from trainables.data.held_out.folds import assigned; "
        f"print(*(assigned(np.arange(60) % 3, *cut[:1], 5, cut[1]).tolist() for cut in {cuts}), sep=chr(10))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [str(assigned(labels, own, 5, partition).tolist()) for own, partition in cuts] == told
    assert len(set(told)) == len(cuts)
    assert folds.digest(assigned(labels, (), 5)) == "6aac3e1ea3200c0e", "or runs that were begun cannot go on"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return loading.prepare("digits", tmp_path_factory.mktemp("digits") / "data", progress=False)


def test_the_folds_of_a_data_set_are_its_training_and_validation_images_each_once(digits):
    whole, parts = loading.load(digits), [loading.load(digits, fold=Fold(number, 5)) for number in range(1, 6)]
    pixels = sorted(image.tobytes() for split in (whole.train, whole.val) for image in split.images)
    assert sorted(image.tobytes() for part in parts for image in part.val.images) == pixels
    for part in parts:
        assert sorted(image.tobytes() for split in (part.train, part.val) for image in split.images) == pixels
        assert part.sizes == {"train": len(part.train.labels), "val": len(part.val.labels), "test": whole.sizes["test"]}
        assert (part.fingerprint, part.mean) == (whole.fingerprint, whole.mean)
    assert max(np.ptp([np.bincount(part.val.labels) for part in parts], axis=0)) == 1


def test_of_a_fraction_only_the_training_images_are_fewer(digits):
    whole, half = (loading.load(digits, fraction=share, fold=Fold(2, 3)) for share in (1, 0.5))
    assert len(half.train.labels) == round(len(whole.train.labels) / 2)
    assert np.array_equal(half.val.images, whole.val.images)


def test_films_stay_whole_also_where_the_data_set_had_them_in_two_splits(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    frames(tmp_path / "films", "train", FILMS)
    frames(tmp_path / "films", "val", {"film00": "cat", "film77": "dog"}, count=3)
    folder = loading.prepare(f"folder:{tmp_path / 'films'}", tmp_path / "data", group_by="film[0-9]+", in_folds=4)
    groups = cache.groups(folder)
    labels = np.concatenate([cache.open_split(folder, split)[1] for split in ("train", "val")])
    assert len(groups) == len(labels) == 206
    assert len(set(groups)) == 21
    found = assigned(labels, groups, 4)
    assert all(len(set(found[np.array(groups) == group])) == 1 for group in set(groups))
    census, _ = loading.of_folds(folder, 4)
    held = [loading.load(folder, fold=Fold(number, 4)).val.labels for number in range(1, 5)]
    assert len(census["groups"]["val"]) == sum(map(len, held))
    assert census["groups"]["shared"] == {}


def test_an_older_cache_without_groups_is_told_and_not_cut_through_them(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    frames(tmp_path / "films", "train", FILMS)
    folder = loading.prepare(f"folder:{tmp_path / 'films'}", tmp_path / "data", group_by="film[0-9]+")
    (folder / cache.GROUPS).unlink()
    with pytest.raises(DataError, match=r"groups\.json is missing or damaged\. Remove this folder"):
        loading.load(folder, fold=Fold(1, 5))
    assert loading.load(folder).fold is None


def test_doubles_in_two_folds_are_counted_as_validation_images_that_are_trained_on(digits):
    assert loading.of_folds(digits, 5)[0]["duplicates"] == []
    from trainables.data import duplicates

    seen = duplicates.hashes(np.repeat(np.arange(5, dtype=np.uint8), 8 * 2).reshape(10, 8))  # each picture twice
    labels = np.array([0, 0, 1, 1, 0, 1, 2, 2, 2, 2])
    assert duplicates.across(seen, labels, np.array([0, 1] * 5)) == {
        "split": "val", "also": "train", "images": 10, "relabelled": 2,
    }  # fmt: skip
    assert duplicates.across(seen, labels, np.arange(10) // 2) is None


def test_folds_that_a_class_cannot_fill_are_refused_or_told():
    labels = np.array([0] * 10 + [1] * 3)
    (note,) = folds.check(labels, assigned(labels, (), 5), 5, ["cat", "dog"])
    assert note == "a fold has no images of dog, so it is not measured there. Use fewer folds."
    assert folds.check(labels, assigned(labels, (), 3), 3, ["cat", "dog"]) == []
    lone = np.array([0] * 10 + [1])
    with pytest.raises(DataError, match=r"--folds 5: all images of dog are in one fold"):
        folds.check(lone, assigned(lone, (), 5), 5, ["cat", "dog"])
    with pytest.raises(DataError, match=r"--folds 9: too few images or groups"):
        folds.check(labels, assigned(labels, (), 9), 9, ["cat", "dog"])


@pytest.mark.parametrize("text", ["5", "0/5", "2/1", "a/b", "2/5/1", "-1/5", " 2/5"])
def test_a_fold_that_is_written_otherwise_is_refused(text):
    with pytest.raises(UsageError, match="such as 2/5"):
        folds.parse(text)


def test_a_fold_is_of_a_partition():
    assert str(folds.parse("2/5")) == "2/5"
    assert [(each.partition, each.place) for each in (Fold(1, 5), Fold(5, 5), Fold(6, 5))] == [(0, 0), (0, 4), (1, 0)]


def test_the_folds_of_a_confirmation_are_checked_before_anything_is_trained(digits, monkeypatch):
    def lost(labels, groups, number, partition=0):
        return np.where((labels == 3) & (partition == 1), 0, np.arange(len(labels)) % number)

    monkeypatch.setattr(loading.folds, "assigned", lost)
    loading._of_folds(digits, 2, 0)
    with pytest.raises(DataError, match="all images of 3 are in one fold"):
        loading._of_folds(digits, 2, 2)


def test_an_export_is_scored_on_the_images_of_its_own_fold(digits):
    run, trial = SimpleNamespace(identity=SimpleNamespace(folds=3)), SimpleNamespace(fold=2)
    own = loading.load(digits, fold=Fold(2, 3)).val
    assert np.array_equal(images.validated_on(run, trial, digits).labels, own.labels)
    run.identity.folds = 0
    assert len(images.validated_on(run, trial, digits).labels) == loading.load(digits).sizes["val"]


def test_images_in_folds_are_counted_once(digits):
    found, _ = loading.of_folds(digits, 3)
    assert found["folds"] == 3
    whole = sum(found["counts"]["val"]) + sum(found["counts"]["test"])
    assert f" of {whole:,} images are not square" in census.reshaped(found | {"oblong": 2, "resize": "crop"})
