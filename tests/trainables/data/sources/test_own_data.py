"""Tables, arrays, parquet files and functions of the user's: what is read, what is said, what is refused."""

import numpy as np
import pytest
from PIL import Image

from tests.trainables.data.examples import as_png, noise
from trainables.data import cache, loading
from trainables.data.sources import torchvision_sets
from trainables.errors import DataError


@pytest.fixture(autouse=True)
def no_cache_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))


def prepare(dataset, tmp_path, **more):
    return loading.load(loading.prepare(str(dataset), tmp_path / "data", **more))


# Tables


def table(tmp_path, header="path,label,split", rows=None, count=40):
    random = np.random.default_rng(0)
    for number in range(count):
        picture = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png", compress_level=1)
    rows = rows or [
        f"{number}.png,{('cat', 'dog')[number % 2]},{('train', 'test')[number >= 30]}" for number in range(count)
    ]
    (tmp_path / "pets.csv").write_text("\n".join([header, *rows]))
    return f"csv:{tmp_path / 'pets.csv'}"


def test_a_table_has_a_row_for_each_picture(tmp_path):
    found = prepare(table(tmp_path), tmp_path)
    assert found.sizes == {"train": 27, "val": 3, "test": 10}
    assert found.classes == ("cat", "dog")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_have_usual_names_in_any_case_and_any_delimiter(tmp_path, delimiter):
    rows = [delimiter.join(("x", f"{number}.png", str(number % 3))) for number in range(40)]
    found = prepare(table(tmp_path, delimiter.join(("note", "Filename", "CLASS")), rows), tmp_path)
    assert found.sizes == {"train": 36, "val": 4, "test": 0}
    assert found.classes == ("0", "1", "2")


def test_the_order_of_rows_is_no_matter(tmp_path):
    rows = [f"{number}.png,{('cat', 'dog')[number % 2]},train" for number in range(40)]
    found = [prepare(table(tmp_path, rows=own), tmp_path).fingerprint for own in (rows, rows[::-1])]
    assert found[0] == found[1]


def test_rows_of_no_known_split_are_counted_and_said_each_time(tmp_path, capsys):
    rows = [f"{number}.png,{number % 2},{('train', 'extra', '')[min(2, number // 30)]}" for number in range(62)]
    dataset = table(tmp_path, rows=rows, count=62)
    for _ in range(2):
        prepare(dataset, tmp_path)
        assert "note: 32 rows not read: column split: 2 with '', 30 with 'extra'. Read are" in capsys.readouterr().err


def test_pictures_of_a_table_that_are_not_there_are_named_or_left_out(tmp_path):
    dataset = table(tmp_path)
    (tmp_path / "3.png").unlink()
    with pytest.raises(DataError, match=rf"^cannot read image: {tmp_path}/3\.png: No such file"):
        prepare(dataset, tmp_path)
    assert prepare(dataset, tmp_path, skip_bad=True).census["skipped"] == 1


def test_empty_fields_behind_the_last_column_are_no_matter(tmp_path):
    rows = [f"{number}.png,{number % 2},," for number in range(40)]
    assert prepare(table(tmp_path, "path,label", rows), tmp_path).sizes == {"train": 36, "val": 4, "test": 0}


def test_a_name_may_hold_what_looks_like_the_end_of_a_line(tmp_path):
    dataset = table(tmp_path)
    (tmp_path / "0.png").rename(tmp_path / "0\u2028.png")
    text = (tmp_path / "pets.csv").read_text().replace("\n0.png", "\n0\u2028.png")
    (tmp_path / "pets.csv").write_text(text)
    assert prepare(dataset, tmp_path).sizes == {"train": 27, "val": 3, "test": 10}


def test_a_row_with_more_fields_than_the_header_is_named(tmp_path):
    rows = [f"{number}.png,{number % 2}{',cat' if number == 7 else ''}" for number in range(40)]
    with pytest.raises(DataError, match=r"^too many fields: .*pets\.csv:9: 'cat' has no column\. Quote .*\.$"):
        prepare(table(tmp_path, "path,label", rows), tmp_path)


def test_a_column_of_a_table_says_which_images_belong_together(tmp_path):
    rows = [f"{number}.png,{number % 2},patient{number % 2}-{number // 4}" for number in range(40)]
    found = prepare(table(tmp_path, "path,label,patient", rows), tmp_path, group_by="patient")
    assert found.census["groups"]["by"] == "patient"
    assert found.census["groups"]["shared"] == {"val": 0}


@pytest.mark.parametrize(
    ("header", "rows", "why"),
    [
        ("path,kind", ["0.png,1"], "no column: .*none is called label .* among path, kind"),
        ("name,label", ["0.png,1"], "no column: .*none is called path"),
        ("path,label", [""], "no images: .*no rows"),
        ("path,label", ["0.png,"] * 20, "no label: .*a label is empty"),
        ("path,label,split", ["0.png,1,val"] * 20, "no training images: .*column split"),
        ("path,label,split", ["0.png,1,train"] * 20 + ["1.png,2,test"], "unknown label: .*'2' in test"),
        ("path,label", ["0.png,1"] * 20, "a single class"), ("path,label", ["0.png,1", "1.png,2"], "too few images"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_says_why_in_one_line(tmp_path, header, rows, why):
    with pytest.raises(DataError, match=rf"^{why}[^\n]*\. [A-Z][^\n]*\.$"):
        prepare(table(tmp_path, header, rows, count=2), tmp_path)


# Arrays


def arrays(tmp_path, **found):
    np.savez(tmp_path / "pets.npz", **found)
    return f"npz:{tmp_path / 'pets.npz'}"


IMAGES, LABELS = noise(0)["train"]


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train"),
        ("train_images", "train_labels"),
        ("X", "y"),
        ("images", "labels"),
        ("Train_X", "Train_Y"),
    ],
)
def test_arrays_have_usual_names(tmp_path, names):
    found = prepare(arrays(tmp_path, **dict(zip(names, (IMAGES, LABELS), strict=True))), tmp_path)
    assert found.sizes == {"train": 36, "val": 4, "test": 0}


@pytest.mark.parametrize(
    "images",
    [
        IMAGES[..., 0],
        IMAGES.transpose(0, 3, 1, 2),
        IMAGES / 255,
        (IMAGES / 255).astype(np.float32),
        IMAGES.astype(np.uint16) << 8,
    ],
)
def test_pictures_may_be_grey_channels_first_or_floats(tmp_path, images):
    found = prepare(arrays(tmp_path, images=images, labels=LABELS[:, None]), tmp_path)
    stored = {image[0, 0, 0] for image in IMAGES}
    assert {int(image[0, 0, 0]) for image in found.train.images} <= {int(value) for value in stored}


def test_what_is_not_read_of_a_file_of_arrays_is_said_each_time_and_recorded(tmp_path, capsys):
    dataset = arrays(tmp_path, images=IMAGES, labels=LABELS, weights=LABELS, classes=np.array(["cat", "dog"]))
    for _ in range(2):
        found = prepare(dataset, tmp_path)
        assert "note: 1 array not read: weights.\n" in capsys.readouterr().err
    assert found.classes == ("cat", "dog")
    assert found.census["dataset"] == "npz:/path/to/pets.npz"


def test_bad_pictures_of_an_array_are_named_by_their_place(tmp_path):
    images = IMAGES / 255
    images[7] = np.nan
    with pytest.raises(DataError, match=r"^cannot read image: images\[7\]: float64 pixels"):
        prepare(arrays(tmp_path, images=images, labels=LABELS), tmp_path)
    found = prepare(arrays(tmp_path, images=images, labels=LABELS), tmp_path, skip_bad=True)
    assert (found.census["skipped"], found.sizes["train"] + found.sizes["val"]) == (1, 39)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({"a": IMAGES}, "no training images: .*its arrays are a"), ({"images": IMAGES}, "no labels: "),
        ({"images": IMAGES, "labels": LABELS[:9]}, "no pictures: "), ({"images": LABELS, "labels": LABELS}, "no pictures: "),
        ({"images": IMAGES, "labels": LABELS + 0.5}, "no label: "),
        ({"images": IMAGES, "labels": LABELS, "classes": np.array(["cat"])}, "unknown label: "),
        ({"images": IMAGES, "labels": np.array([object()] * 40)}, "cannot read arrays: "),
    ],
)  # fmt: skip
def test_arrays_that_cannot_be_used_say_why_in_one_line(tmp_path, found, why):
    with pytest.raises(DataError, match=rf"^{why}[^\n]*\. [A-Z][^\n]*\.$"):
        prepare(arrays(tmp_path, **found), tmp_path)


def test_groups_are_an_array(tmp_path):
    groups = [f"patient {number % 2} {number // 8}" for number in range(40)]
    dataset = arrays(tmp_path, images=IMAGES, labels=LABELS, groups=np.array(groups))
    found = prepare(dataset, tmp_path, group_by="groups")
    assert found.census["groups"]["shared"] == {"val": 0}
    with pytest.raises(DataError, match=r"^no groups: "):
        prepare(dataset, tmp_path, group_by="patient")


# Parquet files of Hugging Face


def parquet(tmp_path, metadata=None):
    import pyarrow.parquet

    columns = {"img": [{"bytes": as_png(image), "path": None} for image in IMAGES], "label": LABELS.tolist()}
    found = pyarrow.table(columns).replace_schema_metadata(metadata)
    pyarrow.parquet.write_table(found, tmp_path / "train-00000-of-00001.parquet")
    return f"hf:{tmp_path / 'train-00000-of-00001.parquet'}"


def test_class_names_come_from_the_features(tmp_path):
    features = '{"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}'
    assert prepare(parquet(tmp_path, {"huggingface": features}), tmp_path).classes == ("cat", "dog")
    assert prepare(parquet(tmp_path), tmp_path).classes == ("0", "1")


def test_a_file_of_parquet_is_of_the_split_in_its_own_name_before_that_of_its_folder(tmp_path):
    folder = tmp_path / "train_test_split"
    for name in ("train", "test"):
        (folder / name).mkdir(parents=True)
        parquet(folder / name)
        (folder / name / "train-00000-of-00001.parquet").rename(folder / f"{name}-0.parquet")
    assert prepare(f"hf:{folder}", tmp_path).sizes == {"train": 36, "val": 4, "test": 40}


def test_a_bad_picture_of_parquet_is_left_out_of_its_own_file_only(tmp_path):
    import pyarrow.parquet

    for split, first in (("train", b"no picture"), ("test", as_png(IMAGES[0]))):
        pictures = [first, *map(as_png, IMAGES[1:])]
        (tmp_path / "both" / split).mkdir(parents=True)
        table = pyarrow.table({"img": [{"bytes": each} for each in pictures], "label": LABELS.tolist()})
        pyarrow.parquet.write_table(table, tmp_path / "both" / split / "0000.parquet")
    found = prepare(f"hf:{tmp_path / 'both'}", tmp_path, skip_bad=True)
    assert found.sizes["test"] == 40
    assert found.sizes["train"] + found.sizes["val"] == 39


def test_parquet_that_is_not_there_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"^no parquet files: .*name their folder: hf:PATH\.$"):
        prepare(f"hf:{tmp_path}", tmp_path)


# Functions


def function(tmp_path, text):
    (tmp_path / "my_data.py").write_text(text)
    return f"{tmp_path / 'my_data.py'}:load"


LOAD = "import numpy as np\nimages = np.random.default_rng(0).integers(0, 256, (40, 9, 9, 3), dtype=np.uint8)\n"


@pytest.mark.parametrize(
    ("returned", "sizes"),
    [
        ("images, [0, 1] * 20", (36, 4, 0)), ("{'train': (images, ['a', 'b'] * 20)}", (36, 4, 0)),
        ("{'train': (images[:20], [0, 1] * 10), 'Validation': (images[20:], [0, 1] * 10)}", (20, 20, 0)),
        ("list(images), [0, 1] * 20", (36, 4, 0)), ("{'train': (images, [0, 1] * 20), 'classes': ['a', 'b']}", (36, 4, 0)),
    ],
)  # fmt: skip
def test_a_function_returns_pictures_and_labels(tmp_path, returned, sizes):
    found = prepare(function(tmp_path, f"{LOAD}def load(): return {returned}"), tmp_path)
    assert tuple(found.sizes.values()) == sizes


LAZY = """
class Lazy:
    def __len__(self): return 40
    def __getitem__(self, place):
        if place == 3: raise OSError("image file is truncated")
        return images[place]
def load(): return {"train": (Lazy(), [0, 1] * 20), "test": (images[:9], [0] * 9)}
"""


def test_a_picture_that_is_read_only_when_it_is_asked_for_may_be_bad(tmp_path):
    dataset = function(tmp_path, f"{LOAD}{LAZY}")
    with pytest.raises(DataError, match=r"^cannot read image: train\[3\]: image file is truncated\."):
        prepare(dataset, tmp_path)
    assert sum(prepare(dataset, tmp_path, skip_bad=True).sizes.values()) == 39 + 9


@pytest.mark.parametrize("count", [0, 1])
def test_a_validation_split_of_less_than_two_images_is_refused(tmp_path, count):
    returned = f'{{"train": (images, [0, 1] * 20), "val": (images[:{count}], [0] * {count})}}'
    with pytest.raises(DataError, match=rf"^too few images: .*: {count} validation image.*at least 2"):
        prepare(function(tmp_path, f"{LOAD}def load(): return {returned}"), tmp_path)


GROUPED = """
import numpy as np


def load():
    images, labels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8), [0, 1] * 20
    split = {{"training": (images[:30], labels[:30]), "test": (images[30:], labels[30:])}}
    return {{**split, "groups": {groups}}}
"""


def grouped(tmp_path, groups):
    (tmp_path / "mine.py").write_text(GROUPED.format(groups=groups))
    return prepare(f"{tmp_path / 'mine.py'}:load", tmp_path, group_by="groups").census["groups"]


def test_groups_of_a_function_are_found_in_any_spelling_of_the_split(tmp_path):
    found = grouped(tmp_path, '{"training": [n // 6 for n in range(30)], "Test": np.arange(10) + 90}')
    assert found["shared"] == {"val": 0, "test": 0}


@pytest.mark.parametrize(
    ("groups", "why"),
    [
        ('{"training": [1] * 30}', "0 groups of 10 images of test"),
        ('{"training": [1] * 29, "test": [2] * 10}', "29 groups of 30 images of train"),
        ("[1] * 40", 'return "groups"'),
    ],
)
def test_each_image_of_a_function_needs_its_group(tmp_path, groups, why):
    with pytest.raises(DataError, match=rf"^no groups: .*{why}"):
        grouped(tmp_path, groups)


def test_a_function_may_name_files_beside_it(tmp_path):
    table(tmp_path)
    text = "def load(): return [f'{number}.png' for number in range(40)], [0, 1] * 20"
    folder = loading.prepare(function(tmp_path, text), tmp_path / "data")
    assert loading.load(folder).sizes["train"] == 36
    assert all(name.endswith(".png") for name in cache.val_names(folder))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def load():\n    return 1 / 0", r"load failed: .*my_data\.py:2: ZeroDivisionError: division by zero"),
        ("def load(:", r"load failed: .*my_data\.py:1: SyntaxError"),
        ("import nowhere_at_all", r"load failed: .*my_data\.py:1: "),
        ("import sys\ndef load():\n    sys.exit(0)", r"load failed: .*my_data\.py:3: SystemExit: 0"),
        ("raise SystemExit", r"load failed: .*my_data\.py:1: SystemExit"),
        ("def load(folder): pass", r"load failed: [^:]*my_data\.py: TypeError"),
        ("def other(): pass", r"no function: .*it has no load\. Functions there: other"),
        ("def load(): return None", "no pictures: .*NoneType"),
        ("def load(): return [1], [2, 3]", "no pictures: .*1 images and 2"),
        ("def load(): return {'test': ([], [])}", "no training images"),
        ("def load(): return {'dev': ([], [])}", "unknown split"),
    ],
)  # fmt: skip
def test_a_function_that_fails_is_one_line_with_its_place(tmp_path, text, why):
    with pytest.raises(DataError, match=rf"^{why}[^\n]*\.$"):
        prepare(function(tmp_path, text), tmp_path)


# torchvision


def test_names_of_torchvision_are_known_in_any_case_and_the_closest_is_named(tmp_path, capsys):
    assert torchvision_sets._kind("mnist").__name__ == "MNIST"
    with pytest.raises(DataError, match=r"^unknown data set of torchvision 'MNITS'\. Did you mean '\w*MNIST'"):
        prepare("torchvision:MNITS", tmp_path)
    assert "downloading" not in capsys.readouterr().err


def test_a_data_set_of_torchvision_without_splits_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^no splits: torchvision:FakeData: .*FILE\.py:FUNCTION\.$"):
        prepare("torchvision:FakeData", tmp_path)
