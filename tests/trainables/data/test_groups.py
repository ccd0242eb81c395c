"""Images of one group stay on one side: pytest tests/trainables/data/test_groups.py"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trainables.data import cache, census, loading
from trainables.data.held_out.tenth import grouped, held_out
from trainables.errors import DataError


def frames(root, split, films, count=10):
    """`count` pictures of each film, named FILM_frameN.png, in the folder of a class."""
    random = np.random.default_rng(len(split))
    for name, label in films.items():
        (root / split / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(picture).save(root / split / label / f"{name}_frame{number}.png")


FILMS = {f"film{number:02}": ("cat", "dog")[number % 2] for number in range(20)}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    frames(tmp_path / "films", "train", FILMS)
    return tmp_path / "films"


def prepare(root, tmp_path, by):
    return loading.prepare(f"folder:{root}", tmp_path / "data", group_by=by)


@pytest.mark.parametrize("by", ["film[0-9]+", "(film[0-9]+)_frame"])
def test_frames_of_a_film_are_trained_on_or_validated_on(root, tmp_path, by, capsys):
    folder = prepare(root, tmp_path, by)
    assert "20 training images, by whole groups, are held out instead" in capsys.readouterr().err
    found, names = loading.load(folder), cache.val_names(folder)
    films = {name.split("/")[-1].split("_")[0] for name in names}
    assert len(films) == 2  # one of each class: a tenth
    assert found.sizes["val"] == len(names) == 20
    record = found.census["groups"]
    assert (record["by"], record["train"], record["shared"]) == (by, 18, {"val": 0})
    assert len(set(record["val"])) == 2
    assert [record["val"][place] for place in (0, 9)] == [0, 0]


def test_without_it_they_are_on_both_sides_and_the_images_held_out_are_others(root, tmp_path):
    folder = prepare(root, tmp_path, None)
    films = {name.split("_")[0] for name in cache.val_names(folder)}
    assert len(films) > 10
    assert loading.load(folder).fingerprint != loading.load(prepare(root, tmp_path, "film[0-9]+")).fingerprint


def test_a_group_in_two_splits_of_the_users_own_is_told(root, tmp_path, capsys):
    frames(root, "test", {"film00": "cat", "film01": "dog", "film99": "dog"})
    found = loading.load(prepare(root, tmp_path, "film[0-9]+"))
    assert found.census["groups"]["shared"] == {"val": 0, "test": 2}
    assert "note: 2 groups stand among the test images and in another split: the score there" in capsys.readouterr().err
    assert any("2 groups stand" in line for line in census.remarks(found.census, found.classes))


@pytest.mark.parametrize(
    ("by", "why"),
    [
        ("patient", "200 of 200 names have no such part, .*_frame0.png among"),
        ("film0", "100 of 200 names"),
        ("(", "no regular"),
    ],
)
def test_a_part_that_some_names_lack_is_refused(root, tmp_path, by, why):
    with pytest.raises(DataError, match=rf"^--group-by {by.replace('(', '.')}: {why}.*\. [A-Z].*\.$"):
        prepare(root, tmp_path, by)


def test_a_single_group_cannot_be_held_out(root, tmp_path):
    with pytest.raises(DataError, match=r"^too few groups: .*/train: none can be held out"):
        prepare(root, tmp_path, "frame")


def test_images_without_names_have_no_groups(tmp_path):
    with pytest.raises(DataError, match=r"^no groups: digits: .*Leave out --group-by\.$"):
        loading.prepare("digits", tmp_path, group_by="x")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=20, max_size=200))
def test_every_group_is_whole_and_no_class_loses_all_of_its_groups(drawn):
    labels, groups = (np.array(part, np.int64) for part in zip(*drawn, strict=True))
    rest, val = held_out(labels, groups.astype(str).tolist())
    assert sorted([*rest, *val]) == list(range(len(labels)))
    assert not set(groups[rest]) & set(groups[val])
    own = {group: int(np.bincount(labels[groups == group]).argmax()) for group in set(groups.tolist())}
    assert {own[group] for group in groups[val].tolist()} <= {own[group] for group in groups[rest].tolist()}


def test_about_as_many_are_held_out_as_asked_for():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(300), random.integers(1, 20, 300))
    labels = (groups * 7919) % 5
    chosen = grouped(labels, groups.astype(str).tolist(), len(labels) // 10)
    assert abs(len(chosen) / len(labels) - 0.1) < 0.02
    assert chosen.tolist() == grouped(labels, groups.astype(str).tolist(), len(labels) // 10).tolist()


def test_a_class_of_few_groups_has_one_of_them_in_validation():
    """150 images of one class and 12 of another, in groups of three: the share of the few is a third of a group."""
    labels = np.repeat([0, 1], (150, 12))
    groups = [f"{label}-{number // 3}" for number, label in enumerate(labels.tolist())]
    _, val = held_out(labels, groups)
    assert np.bincount(labels[val]).tolist() == [15, 3]
