"""Every usual shape of a folder of pictures, and what is refused because it could be meant in two ways."""

import shutil

import numpy as np
import pytest
from PIL import Image

from trainables.data import loading
from trainables.errors import DataError


def write(root, places, count=20):
    """So many pictures, no two alike, in each of these folders."""
    random = np.random.default_rng(len(places))
    for place in places:
        (root / place).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(
                root / place / f"{number:03}.png"
            )


def prepare(root, tmp_path):
    return loading.load(loading.prepare(f"folder:{root}", tmp_path / "data"))


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "pets"


SHAPES = {  # folders of 20 pictures each -> sizes of train, val and test
    ("cat", "dog"): (36, 4, 0),
    ("CAT", "Dog"): (36, 4, 0),
    ("train/cat", "train/dog"): (36, 4, 0),
    ("train/cat", "train/dog", "valid/cat", "valid/dog"): (40, 40, 0),
    ("TRAIN/cat", "TRAIN/dog", "Validation/cat", "Validation/dog", "Test/cat", "Test/dog"): (40, 40, 40),
    ("cat/train", "dog/train", "cat/test", "dog/test"): (36, 4, 40),
    ("cat/Train", "dog/Train", "cat/val", "dog/val"): (40, 40, 0),
    ("inner/train/cat", "inner/train/dog", "inner/test/cat"): (36, 4, 20),
    ("inner/cat", "inner/dog"): (36, 4, 0),
    ("inner/train/cat", "inner/train/dog"): (36, 4, 0),
    ("inner/more/cat", "inner/more/dog"): (36, 4, 0),
    ("cat/2019", "cat/2020", "dog/2020/may"): (54, 6, 0),
    ("train/cat/2019", "train/cat/2020", "train/dog", "test/cat/2021"): (54, 6, 20),
    ("0", "1", "2"): (54, 6, 0),
    ("test pictures/cat", "test pictures/dog"): (36, 4, 0),
}


@pytest.mark.parametrize("places", SHAPES)
def test_every_usual_shape_is_read(root, tmp_path, places):
    write(root, places)
    found = prepare(root, tmp_path)
    assert tuple(found.sizes.values()) == SHAPES[places]
    assert len(found.classes) == (3 if "2" in places else 2)


def test_how_it_was_understood_is_said(root, tmp_path, capsys):
    write(root / "inner", ["cat", "cat/2020", "dog"])
    prepare(root, tmp_path)
    said = capsys.readouterr().err
    assert f"note: the images of {root} are read from {root}/inner\n" in said
    assert f"note: no train/ in {root}/inner: each folder is a class, 2 in all\n" in said
    assert "note: 20 images in deeper folders count for the class folders above them\n" in said
    assert (
        f"note: no val/ (valid/, validation/) in {root}/inner: 6 training images, a tenth, are held out instead\n"
        in said
    )
    assert "note: no test images: the winner has no test score. Add some to have one.\n" in said


def test_the_shape_is_no_part_of_the_fingerprint(root, tmp_path):
    write(root, ["cat", "dog"])
    before = prepare(root, tmp_path).fingerprint
    for move in (
        lambda: shutil.move(root, tmp_path / "moved"),
        lambda: shutil.move(tmp_path / "moved", root / "inner"),
    ):
        move()
    assert prepare(root, tmp_path).fingerprint == before
    shutil.move(root / "inner", root / "train")
    assert prepare(root, tmp_path).fingerprint == before


def test_the_files_of_a_mac_are_nobodys_pictures(root, tmp_path, capsys):
    write(root, ["pets/cat", "pets/dog"])
    (root / "__MACOSX" / "pets").mkdir(parents=True)
    (root / "__MACOSX" / "pets" / "._1.png").write_bytes(b"x")
    assert prepare(root, tmp_path).sizes["train"] == 36
    assert "not read" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("places", "why"),
    [
        (("training_set/cat", "training_set/dog", "test_set/cat"), "splits or classes: .*test_set and training_set hold"),
        (("seg_train/cat", "seg_test/cat"), "splits or classes: "),
        (("train2017/cat", "val2017/cat"), "splits or classes: "),
        (("cat/train", "dog"), "mixed splits: .*dog has no train/"),
        (("cat/train", "cat/test", "dog/test"), "mixed splits: .*dog has no train/"),
        (("cat", "cat/test", "dog"), "mixed splits: "),
        (("test/cat", "valid/cat"), "cannot list images: .*train: No such file"),
        (("cat",), "a single class: "),
        (("train/cat", "train/dog", "validation/cat", "val/cat"), "two folders of validation images"),
        (("cat/val", "cat/valid", "cat/train", "dog/train"), "two folders of validation images"),
    ],
)  # fmt: skip
def test_what_could_be_meant_in_two_ways_is_refused(root, tmp_path, places, why):
    write(root, places)
    with pytest.raises(DataError, match=rf"^{why}.*\. [A-Z].*\.$"):
        prepare(root, tmp_path)


def test_a_class_that_is_empty_in_a_flat_folder_is_named(root, tmp_path):
    write(root, ["cat", "dog"])
    (root / "notes").mkdir()
    with pytest.raises(DataError, match=rf"^empty class: {root}/notes: "):
        prepare(root, tmp_path)


def test_loose_files_beside_classes_are_counted(root, tmp_path, capsys):
    write(root, ["cat", "dog", "."], count=20)
    prepare(root, tmp_path)
    assert f"note: 20 files not read: 20 in {root}. Read are .png" in capsys.readouterr().err


def test_a_link_to_a_folder_of_pictures_inside_a_class_is_counted_and_not_followed(root, tmp_path, capsys):
    write(root, ["cat", "dog"])
    write(tmp_path, ["more"])
    (root / "cat" / "more").symlink_to(tmp_path / "more")
    assert prepare(root, tmp_path).sizes["train"] == 36
    assert f"20 files not read: 20 in {root}/cat/more. " in capsys.readouterr().err
