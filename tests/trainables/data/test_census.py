"""Too little data is refused or said: pytest tests/trainables/data/test_census.py"""

import numpy as np
import pytest

from trainables.data import census, loading
from trainables.errors import DataError


def prepare(root, tmp_path):
    return loading.load(loading.prepare(f"folder:{root}", tmp_path / "data"))


def test_three_images_a_class_are_refused_because_one_would_be_held_out(make_tree, tmp_path):
    root = make_tree({"train": 3, "test": 3}, ["cat", "dog", "owl", "bee"])
    with pytest.raises(DataError, match=r"^too few images: .*train: 12 where at least 15 are needed\. "):
        prepare(root, tmp_path)


def test_so_is_a_validation_folder_with_a_single_image(make_tree, tmp_path):
    root = make_tree({"train": 20, "val": 1, "test": 3})
    (root / "val/cat/val000.png").unlink()
    with pytest.raises(DataError, match=r"^too few images: .*val: 1 where at least 2 are needed\. "):
        prepare(root, tmp_path)


def test_a_class_whose_only_image_would_be_held_out_is_refused(make_tree, tmp_path):
    root = make_tree({"train": 1, "test": 1}, [f"{number:02}" for number in range(20)])
    with pytest.raises(DataError, match=r"^too few images: .*/train: the only image of \d\d would be held out"):
        prepare(root, tmp_path)


def test_few_validation_images_are_said_with_what_each_is_worth(make_tree, tmp_path, capsys):
    prepare(make_tree({"train": 20, "test": 5}), tmp_path)
    assert (
        "note: only 4 validation images: each is worth 25.0 points of accuracy. Add some.\n" in capsys.readouterr().err
    )


def test_a_class_without_images_to_validate_or_test_is_named(make_tree, tmp_path, capsys):
    root = make_tree({"train": 20, "val": 30, "test": 5}, ["cat", "dog", "owl"])
    for path in [*(root / "val/owl").iterdir(), *(root / "test/cat").iterdir(), *(root / "test/dog").iterdir()]:
        path.unlink()
    (root / "test/dog").rmdir()  # without its folder it is as absent
    found = prepare(root, tmp_path)
    assert found.census["counts"] == {"train": [20, 20, 20], "val": [30, 30, 0], "test": [0, 0, 5]}
    said = capsys.readouterr().err
    assert "note: one class has no validation images: owl; its accuracy is not measured. Add some.\n" in said
    assert "note: 2 of 3 classes have no test images: cat, dog; " in said


def test_of_many_such_classes_a_few_are_named(make_tree):
    names = [f"class{number}" for number in range(1200)]
    line = census.without("val", [0] * 1199 + [1], names)
    assert line.startswith(
        "1,199 of 1,200 classes have no validation images: class0, class1, class2, class3, class4 and 1,194 more; "
    )


def test_a_fraction_that_loses_a_class_says_so(make_tree, tmp_path, capsys):
    root = make_tree({"train": 2, "val": 30, "test": 5}, ["cat", "dog", "owl", "bee"])
    folder = loading.prepare(f"folder:{root}", tmp_path / "data")
    capsys.readouterr()
    loading.tell_lost_classes(loading.load(folder, fraction=0.3))
    assert capsys.readouterr().err == (
        "note: 2 of 4 classes have no training images: dog, owl; no network can learn them. Use a larger --fraction.\n"
    )
    loading.tell_lost_classes(loading.load(folder))
    assert capsys.readouterr().err == ""


def test_enough_of_everything_calls_for_nothing(make_tree, tmp_path, capsys):
    found = prepare(make_tree({"train": 20, "val": 25, "test": 5}), tmp_path)
    assert census.remarks(found.census, found.classes) == []
    assert "note" not in capsys.readouterr().err


def test_nothing_is_known_of_what_was_decoded_before(toy):
    assert census.remarks(toy.census, toy.classes) == []


def test_a_name_that_would_move_the_cursor_does_not(make_tree, tmp_path, capsys):
    root = make_tree({"train": 20, "val": 30, "test": 5}, ["cat", "\x1b[2Jdog"])
    for path in (root / "val" / "\x1b[2Jdog").iterdir():
        path.unlink()
    prepare(root, tmp_path)
    assert "\x1b" not in capsys.readouterr().err


def test_labels_of_every_class_are_counted():
    images = {split: np.zeros((3, 32, 32, 3), np.uint8) for split in ("train", "val", "test")}
    labels = {"train": np.array([0, 1, 3]), "val": np.array([0, 0, 0]), "test": np.array([1, 1, 3])}
    found = census.count(images, labels, 4, {"skipped": 2})
    assert found["counts"] == {"train": [1, 1, 0, 1], "val": [3, 0, 0, 0], "test": [0, 2, 0, 1]}
    assert [line["images"] for line in found["duplicates"]] == [3, 3, 3]
    assert found["skipped"] == 2


def test_classes_of_unlike_size_are_told_with_what_to_try():
    assert census.unlike_sizes([500, 50, 0], ["cat", "dog", "owl"]) == (
        "classes of unequal size: dog has 50 training images, cat has 500. Try --metric balanced_accuracy and "
        "class_weight=balanced."
    )
    assert census.unlike_sizes([500, 51], ["cat", "dog"]) == census.unlike_sizes([0, 5], ["cat", "dog"]) == ""


@pytest.mark.parametrize(("least", "is_told"), [(4, True), (5, False)])
def test_a_class_with_few_validation_images_is_named_with_what_each_is_worth(least, is_told):
    counts = {"train": [90, 90, 0], "val": [60, least, 0], "test": [5, 5, 5]}
    told = " ".join(census.remarks({"counts": counts, "duplicates": []}, ["cat", "bird", "owl"]))
    assert ("the smallest class, bird, has only 4 validation images" in told) == is_told
    assert ("in steps of 25 points" in told) == is_told


@pytest.mark.parametrize(("of", "lone"), [([0] * 60, True), ([0] * 30 + [1] * 30, False)])
def test_validation_images_of_one_group_are_said_to_show_nothing(of, lone):
    counts = {"train": [100, 100], "val": [30, 30], "test": [5, 5]}
    census_of = {"counts": counts, "duplicates": [], "groups": {"by": "film", "train": 3, "shared": {}, "val": of}}
    told = census.remarks(census_of, ["cat", "dog"])
    assert [line.startswith("all validation images are of one group: no interval") for line in told] == [True] * lone
