"""Which folders are read as which split, and what is said of the rest."""

import pytest

from trainables.data import folder_tree, loading
from trainables.errors import DataError


def prepare(root, tmp_path, **more):
    return loading.load(loading.prepare(f"folder:{root}", tmp_path / "data", **more))


@pytest.mark.parametrize("name", ["valid", "validation", "Val", "VALID", "Validation"])
def test_every_usual_spelling_of_validation_is_read_and_named(make_tree, tmp_path, capsys, name):
    root = make_tree({"train": 20, name: 3, "test": 5})
    found = prepare(root, tmp_path)
    assert found.sizes == {"train": 40, "val": 6, "test": 10}
    assert found.census["validation"] == name
    said = capsys.readouterr().err
    assert f"note: {root}/{name} is read as val/: 6 images\n" in said
    assert "not read" not in said


@pytest.mark.parametrize(("train", "test"), [("Train", "TEST"), ("training", "testing"), ("TRAINING", "Test")])
def test_so_are_those_of_train_and_test(make_tree, tmp_path, capsys, train, test):
    root = make_tree({train: 20, "val": 3, test: 5})
    assert prepare(root, tmp_path).sizes == {"train": 40, "val": 6, "test": 10}
    said = capsys.readouterr().err
    assert f"{root}/{train} is read as train/: 40 images" in said
    assert f"{root}/{test} is read as test/: 10 images" in said


@pytest.mark.parametrize("names", [("val", "valid"), ("validation", "Valid"), ("train", "training"), ("test", "Test")])
def test_two_folders_of_one_split_are_refused(make_tree, names):
    root = make_tree({"train": 20, "test": 5, **dict.fromkeys(names, 3)})
    with pytest.raises(
        DataError, match=r"^two folders of \w+ images: .*pets: .* and .*\. Rename or remove one of them\.$"
    ):
        folder_tree.scan(root)


def test_a_held_out_tenth_is_said(make_tree, tmp_path, capsys):
    root = make_tree({"train": 20, "test": 5})
    assert prepare(root, tmp_path).census["validation"] is None
    assert (
        f"note: no val/ (valid/, validation/) in {root}: 4 training images, a tenth, are held"
        in capsys.readouterr().err
    )


def test_the_spelling_is_no_part_of_the_fingerprint(make_tree, tmp_path):
    root = make_tree({"train": 20, "val": 3, "test": 5})
    before = prepare(root, tmp_path)
    for usual, name in (("val", "Valid"), ("train", "Training")):
        (root / usual).rename(root / name)
    after = prepare(root, tmp_path)
    assert (after.fingerprint, after.census["validation"]) == (before.fingerprint, "Valid")


UNREAD = {  # a file that is not read, and the place where it is counted
    "extra/cat/1.png": "extra",
    "labels.csv": "",
    "train/loose.png": "train",
    "train/cat/notes.txt": "train/cat",
    "test/dog/more/deep/1.txt": "test/dog/more/deep",
    "dev/dog/1.jpg": "dev",
}


@pytest.mark.parametrize("file", UNREAD)
def test_whatever_is_not_read_is_said_with_its_place_and_count(make_tree, tmp_path, capsys, file):
    root = make_tree({"train": 20, "val": 3, "test": 5})
    for name in (file, f"{file}x"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    for _ in range(2):  # the second time nothing is decoded
        prepare(root, tmp_path)
        said = [line for line in capsys.readouterr().err.splitlines() if "not read" in line]
        assert len(said) == 1
        assert said[0].startswith(
            f"note: 2 files not read: 2 in {root / UNREAD[file]}. Read are .png, .jpg, .webp, .bmp, .tif or .gif files in train/"
        )


def test_many_places_are_one_line_with_the_fullest_first(make_tree):
    root = make_tree({"train": 20, "val": 3, "test": 5})
    for place, files in {"a": 1, "b": 5, "c": 3, "d": 2, "e": 1}.items():
        (root / place).mkdir()
        for number in range(files):
            (root / place / f"{number}.png").write_bytes(b"x")
    words = folder_tree.unread_words(folder_tree.scan(root))
    assert words.startswith(f"12 files not read: 5 in {root}/b, 3 in {root}/c, 2 in {root}/d, 2 elsewhere. ")


def test_hidden_files_are_nobodys_pictures(make_tree):
    root = make_tree({"train": 20, "val": 3, "test": 5})
    for name in (".DS_Store", "train/.directory", "train/cat/._000.png", ".git/config"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    assert folder_tree.unread_words(folder_tree.scan(root)) == ""


def test_an_endless_folder_is_counted_up_to_a_limit(make_tree, monkeypatch):
    monkeypatch.setattr(folder_tree, "MANY", 5)
    root = make_tree({"train": 20, "val": 3, "test": 5, "extra": 4})
    (root / "extra" / "again").symlink_to(root)  # which os.walk would follow forever, if it followed links
    assert "5 or more in" in folder_tree.unread_words(folder_tree.scan(root))


def test_every_mistake_is_named_at_once(make_tree):
    root = make_tree({"train": 20, "val": 3, "test": 5})
    for empty in ("train/owl", "train/bee", "val/fox", "test/elk"):
        (root / empty).mkdir()
    with pytest.raises(DataError) as refused:
        folder_tree.scan(root)
    assert refused.value.message == f"unusable folder of images: {root}: 4 mistakes. Correct these:"
    named = [line.split(f"{root}/")[1].split(":")[0] for line in refused.value.details]
    assert named == ["train/bee", "train/owl", "test/elk", "val/fox"]


def test_a_link_that_leads_nowhere_is_an_image_that_cannot_be_read_and_one_that_leads_to_itself_is_an_error(make_tree):
    root = make_tree({"train": 20, "val": 3, "test": 5})
    (root / "train" / "cat" / "gone.png").symlink_to("nowhere.png")
    (root / "train" / "cat" / "gone.txt").symlink_to("nowhere.txt")
    found = folder_tree.scan(root)
    assert f"1 file not read: 1 in {root}/train/cat. " in folder_tree.unread_words(found)
    assert "train/cat/gone.png" in [name for name, *_ in found.listed["train"]["cat"]]
    (root / "train" / "cat" / "loop.png").symlink_to("loop.png")
    with pytest.raises(DataError, match=r"^cannot list images: .*/train/cat/loop\.png: Too many levels"):
        folder_tree.scan(root)


@pytest.mark.parametrize("where", ["val", "train/c"])
def test_a_link_that_leads_nowhere_is_no_split_and_no_class(make_tree, tmp_path, where):
    root = make_tree({"train": 20, "test": 5})
    (root / where).symlink_to(tmp_path / "not-mounted")
    with pytest.raises(DataError, match=rf"broken link: .*{where} -> .*not-mounted\. Mount"):
        prepare(root, tmp_path)
