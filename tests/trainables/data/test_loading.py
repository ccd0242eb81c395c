"""Data sets end to end on digits and on small image folders: split, cache, damage, and what is refused."""

import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trainables.data import cache, decode, loading, split
from trainables.data.sources.digits import enlarge
from trainables.errors import DataError, StorageError, UsageError

DIGITS_FINGERPRINT = "6593b0ce540ca28ed6eac445f3b23b7967c54399d58113b16aa8938c59dae7a3"


@pytest.fixture(autouse=True)
def user_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "cifar-search"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The cache folder of digits, prepared once: scikit-learn takes its time to load."""
    return loading.prepare("digits", tmp_path_factory.mktemp("digits") / "data")


def picture(seed, size=(32, 32), mode="RGB"):
    width, height = size
    channels = len(Image.new(mode, (1, 1)).getbands())
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(noise if channels > 1 else noise[..., 0]).convert(mode)


def make_tree(root, counts, classes=("cat", "dog"), start=0):
    """Write counts = {split: images per class} PNG images under root."""
    for part, count in counts.items():
        for label, name in enumerate(classes):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                picture(start + 1000 * label + number).save(root / part / name / f"{number:03}.png", compress_level=1)
    return root


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "pets", {"train": 20, "test": 5})


def prepare(tree, tmp_path):
    return loading.prepare(f"folder:{tree}", tmp_path / "data")


# The split


labels_of_classes = st.lists(st.integers(0, 6), min_size=1, max_size=200).map(lambda labels: np.array(labels, np.int64))


@given(labels_of_classes, st.data())
def test_a_choice_has_the_size_that_was_asked_for_and_no_image_twice(labels, drawn):
    count = drawn.draw(st.integers(0, len(labels)))
    chosen = split.stratified(labels, count, split.VALIDATION)
    assert len(set(chosen.tolist())) == len(chosen) == count
    assert chosen.tolist() == sorted(chosen.tolist())
    assert all(0 <= position < len(labels) for position in chosen)


@given(labels_of_classes, st.data())
def test_each_class_gives_its_share_rounded_down_or_up(labels, drawn):
    count = drawn.draw(st.integers(0, len(labels)))
    chosen = labels[split.stratified(labels, count, split.VALIDATION)]
    for label in np.unique(labels):
        share = count * np.sum(labels == label) / len(labels)
        assert abs(np.sum(chosen == label) - share) < 1


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.data())
def test_largest_remainders_are_rounded_up_first(sizes, drawn):
    count = drawn.draw(st.integers(0, sum(sizes)))
    given_up = split.quotas(np.array(sizes), count) * sum(sizes) > np.array(sizes) * count
    remainders = np.array(sizes) * count % sum(sizes)
    assert given_up.all() or not given_up.any() or remainders[given_up].min() >= remainders[~given_up].max()


@given(labels_of_classes)
def test_a_choice_depends_on_labels_and_purpose_alone(labels):
    first = split.stratified(labels, len(labels) // 2, split.VALIDATION)
    assert np.array_equal(first, split.stratified(labels.copy(), len(labels) // 2, split.VALIDATION))


def test_choices_for_two_purposes_are_independent():
    labels = np.zeros(1000, np.int64)
    both = np.intersect1d(
        split.stratified(labels, 500, split.VALIDATION), split.stratified(labels, 500, split.FRACTION)
    )
    assert 200 < len(both) < 300


def test_the_choice_never_changes():
    """If it does, every validation accuracy ever measured is of other images."""
    assert split.stratified(np.arange(100) % 3, 8, split.VALIDATION).tolist() == [2, 10, 43, 45, 48, 61, 71, 81]


# digits


def test_digits_has_its_three_splits_and_its_fingerprint(digits):
    dataset = loading.load(digits)
    assert dataset.sizes == {"train": 1197, "val": 300, "test": 300}
    assert dataset.classes == tuple("0123456789")
    assert dataset.fingerprint == DIGITS_FINGERPRINT


def test_digits_splits_are_stratified_and_hold_every_image_once(digits):
    dataset = loading.load(digits)
    parts = (dataset.train, dataset.val, loading.load_test(digits))
    for part in parts[1:]:
        assert np.bincount(part.labels).min() >= 28  # of 300, in ten classes of 174 to 183 among 1,797
    images = {image.tobytes() for part in parts for image in part.images}
    assert len(images) == 1797


def test_enlarging_is_bilinear_between_pixel_centres():
    grey = np.zeros((1, 8, 8), np.int64)
    grey[0, :, 4:] = 16  # a vertical edge between columns 3 and 4
    row = enlarge(grey)[0, 9, :, 0]
    assert row[:14].tolist() == [0] * 14
    assert row[14:18].tolist() == [32, 96, 159, 223]  # an eighth, three, five and seven eighths of 255
    assert row[18:].tolist() == [255] * 14


# What load gives


def test_mean_and_std_are_those_of_the_training_pixels(tree, tmp_path):
    dataset = loading.load(prepare(tree, tmp_path))
    scaled = np.asarray(dataset.train.images) / 255
    assert np.allclose(dataset.mean, scaled.mean((0, 1, 2)), rtol=1e-12)
    assert np.allclose(dataset.std, scaled.std((0, 1, 2)), rtol=1e-12)


def test_a_trial_does_not_open_the_test_files(tree, tmp_path):
    folder = prepare(tree, tmp_path)
    for file in folder.glob("test*"):
        file.unlink()
    assert loading.load(folder).sizes["test"] == 10
    with pytest.raises(DataError, match=r"unusable cache.*test\.npy"):
        loading.load_test(folder)


def test_a_fraction_is_the_same_stratified_part_every_time(digits):
    tenth, again, whole = (loading.load(digits, fraction=fraction) for fraction in (0.1, 0.1, 1.0))
    assert len(tenth.train.labels) == tenth.sizes["train"] == 120
    assert np.array_equal(tenth.train.images, again.train.images)
    assert np.bincount(tenth.train.labels).min() >= 11
    assert {image.tobytes() for image in tenth.train.images} <= {image.tobytes() for image in whole.train.images}
    assert not tenth.train.images.flags.writeable
    assert (len(tenth.val.labels), tenth.fingerprint) == (300, whole.fingerprint)


@pytest.mark.parametrize("fraction", [0, -0.5, 1.01, float("nan"), float("inf")])
def test_a_fraction_out_of_range_is_a_usage_error(digits, fraction):
    with pytest.raises(UsageError, match="--fraction must be above 0 and at most 1"):
        loading.load(digits, fraction=fraction)


# Names


@pytest.mark.parametrize(
    ("given_name", "closest"), [("cifar-10", "cifar10"), ("digit", "digits"), ("folder", "folder:PATH")]
)
def test_an_unknown_data_set_is_refused_with_the_closest_name(tmp_path, given_name, closest):
    with pytest.raises(DataError, match=f"Did you mean '{closest}'"):
        loading.resolve(given_name, tmp_path)


def test_a_folder_is_named_by_its_base_name_and_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = loading.short_name("folder:some/pets")
    assert name == loading.short_name(f"folder:{tmp_path}/some/pets/")
    assert name[:-4] == "pets-"
    assert name != loading.short_name("folder:other/pets")
    (tmp_path / "link").symlink_to("some")
    for spelling in (
        "./some//pets",
        "some/../some/pets",
        "link/pets",
        f"/{tmp_path}/some/pets",
        f"../{tmp_path.name}/some/pets",
    ):
        assert name == loading.short_name(f"folder:{spelling}"), spelling


def test_a_short_name_has_no_characters_that_a_path_or_a_shell_minds():
    assert loading.short_name("folder:/a/böse Bilder; rm *")[:-4] == "b-se-Bilder-rm-"
    assert loading.short_name("folder:/")[:-4] == "folder-"
    assert loading.short_name("cifar100") == "cifar100"


# Image folders


def test_a_folder_gives_its_images_under_sorted_class_names(tree, tmp_path):
    dataset = loading.load(prepare(tree, tmp_path))
    assert dataset.classes == ("cat", "dog")
    assert dataset.name == "pets"
    assert dataset.sizes == {"train": 36, "val": 4, "test": 10}
    stored = {label: {picture(1000 * label + number).tobytes() for number in range(20)} for label in (0, 1)}
    for part in (dataset.train, dataset.val):
        assert all(image.tobytes() in stored[label] for image, label in zip(part.images, part.labels, strict=True))


def test_a_val_folder_is_used_as_it_is(tree, tmp_path):
    make_tree(tree, {"val": 3}, start=500)
    dataset = loading.load(prepare(tree, tmp_path))
    assert dataset.sizes == {"train": 40, "val": 6, "test": 10}
    assert dataset.val.images[3].tobytes() == picture(1500).tobytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
@pytest.mark.parametrize("size", [(32, 32), (64, 64), (50, 20), (1, 1)])
def test_any_kind_of_png_becomes_what_pillow_makes_of_it(tmp_path, mode, size):
    image = picture(1, size).convert(mode)
    image.save(tmp_path / "a.png")
    expected = image.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
    assert np.array_equal(decode.decode(str(tmp_path / "a.png"), "squash"), np.asarray(expected))


def test_sixteen_bits_of_grey_keep_their_upper_eight(tmp_path):
    Image.fromarray(np.full((32, 32), 0x8012, np.uint16)).save(tmp_path / "a.png")
    assert np.unique(decode.decode(str(tmp_path / "a.png"))).tolist() == [0x80]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_large_jpeg_is_close_to_what_pillow_makes_of_it_at_full_size(tmp_path, mode):
    smooth = Image.linear_gradient("L").resize((640, 480)).convert(mode)
    smooth.save(tmp_path / "a.jpg", quality=95)
    expected = smooth.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
    difference = decode.decode(str(tmp_path / "a.jpg"), "squash").astype(int) - np.asarray(expected)
    assert np.abs(difference).max() <= 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_is_turned_as_its_camera_says(tmp_path, kind):
    """Telephones store what the sensor saw, and a note that says how they were held."""
    upright = Image.linear_gradient("L").resize((32, 32)).convert("RGB")  # dark above, bright below
    for orientation, stored in (
        (1, upright),
        (3, upright.rotate(180)),
        (6, upright.rotate(90)),
        (8, upright.rotate(-90)),
    ):
        exif = Image.Exif()
        exif[decode.ORIENTATION] = orientation
        path = tmp_path / f"{orientation}.{kind.lower()}"
        stored.save(path, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
        difference = decode.decode(str(path)).astype(int) - np.asarray(upright)
        assert np.abs(difference).max() <= 6, orientation


@pytest.mark.parametrize("note", [b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0" + bytes(range(200)), b"\xff" * 50])
def test_notes_of_a_camera_that_make_no_sense_are_no_matter(tmp_path, note):
    picture(1).save(tmp_path / "a.png")
    picture(1).save(tmp_path / "b.png", exif=note)
    assert np.array_equal(decode.decode(str(tmp_path / "a.png")), decode.decode(str(tmp_path / "b.png")))


def test_what_is_not_used_of_a_folder_is_said_each_time(tree, tmp_path, capsys):
    prepare(tree, tmp_path)
    assert "not read" not in capsys.readouterr().err
    for name in ("elsewhere/dog/deeper/a.png", "elsewhere/dog/b.png", "train/cat/holiday.heic", "train/cat/.hidden"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"x")
    for _ in range(2):  # the second time nothing is decoded
        prepare(tree, tmp_path)
        said = capsys.readouterr().err
        assert f"note: 3 files not read: 2 in {tree}/elsewhere, 1 in {tree}/train/cat. " in said


def test_suffixes_in_capitals_count_and_other_and_hidden_files_do_not(tree, tmp_path):
    folder = tree / "train" / "cat"
    picture(1).save(folder / "x.JPG")
    picture(2).save(folder / "y.Jpeg")
    (folder / "notes.txt").write_text("no image")
    (folder / "._000.png").write_bytes(b"left by another system")
    dataset = loading.load(prepare(tree, tmp_path))
    assert sum(np.bincount(part.labels, minlength=2) for part in (dataset.train, dataset.val)).tolist() == [22, 20]


def test_several_processes_decode_what_one_does(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "STRIP", 7)
    one = loading.load(prepare(tree, tmp_path))
    shutil.rmtree(tmp_path / "data-cache")
    monkeypatch.setattr(decode, "WORTH_A_PROCESS", 25)
    monkeypatch.setattr(decode.cores, "usable", lambda: 2)
    starts = []
    monkeypatch.setattr(decode.subprocess, "Popen", spied(decode.subprocess.Popen, starts))
    assert loading.load(prepare(tree, tmp_path)).fingerprint == one.fingerprint
    assert len(starts) == 2


def spied(function, calls):
    def spy(*arguments, **options):
        calls.append(arguments)
        return function(*arguments, **options)

    return spy


def test_a_damaged_image_in_another_process_is_named(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "WORTH_A_PROCESS", 25)
    monkeypatch.setattr(decode.cores, "usable", lambda: 2)
    (tree / "test" / "dog" / "003.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cannot read image: .*dog/003\.png"):
        prepare(tree, tmp_path)


def header_of_a_huge_png(side):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    size = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def encoded(kind):
    stream = io.BytesIO()
    picture(0).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("truncated.jpg", encoded("JPEG")[:-300]),
        ("truncated.png", encoded("PNG")[:-300]),
        ("empty.png", b""),
        ("page.jpg", b"<html>not found</html>"),
    ],
)
def test_a_file_that_is_no_good_image_is_refused_by_name(tree, tmp_path, name, content):
    (tree / "train" / "dog" / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"cannot read image: .*train/dog/{name}: .*Replace or remove it"):
        prepare(tree, tmp_path)
    assert [path.name for path in (tmp_path / "data-cache").iterdir()] == [".lock"]


@pytest.mark.parametrize("side", [9_000, 50_000])
def test_an_image_that_would_fill_the_memory_is_refused_before_it_is_decoded(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(header_of_a_huge_png(side))
    with pytest.raises(DataError, match=rf"bomb\.png: {side} x {side} pixels"):
        decode.decode(str(tmp_path / "bomb.png"))


def remove(path):
    shutil.rmtree(path)


def empty(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()


def keep_few(path):
    for image in path.glob("*/*.png"):
        if image.name > "003.png":
            image.unlink()


@pytest.mark.parametrize(
    ("break_it", "part", "why"),
    [
        (remove, "", r"cannot list images: .*pets: No such file"),
        (remove, "train", r"cannot list images: .*train: No such file"),
        (empty, "train", r"no images: .*train"),
        (empty, "test", r"no images: .*test"),
        (empty, "val", r"no images: .*val"),
        (empty, "train/dog", r"empty class: .*train/dog"),
        (empty, "test/bird", r"unknown class: .*test/bird"),
        (keep_few, "train", r"too few images: .*train: 8 where"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why_and_what_next(tree, tmp_path, break_it, part, why):
    break_it(tree / part)
    with pytest.raises(DataError, match=rf"^{why}.*\. \S.*\.$"):
        prepare(tree, tmp_path)


def test_a_single_class_is_refused(tmp_path):
    with pytest.raises(DataError, match="a single class"):
        prepare(make_tree(tmp_path / "pets", {"train": 20, "test": 5}, ["cat"]), tmp_path)


# The cache


def test_a_touched_image_is_decoded_again(tree, tmp_path):
    first = loading.load(prepare(tree, tmp_path))
    picture(77).save(tree / "train" / "cat" / "000.png")
    assert loading.load(prepare(tree, tmp_path)).fingerprint != first.fingerprint


def test_the_fingerprint_does_not_depend_on_where_the_files_lie(tree, tmp_path):
    first = loading.load(prepare(tree, tmp_path))
    shutil.copytree(tree, tmp_path / "elsewhere" / "animals")
    second = loading.load(prepare(tmp_path / "elsewhere" / "animals", tmp_path))
    assert (second.fingerprint, second.name) == (first.fingerprint, "animals")


@pytest.mark.parametrize("part", ["train", "val", "test", "class name"])
def test_the_fingerprint_covers_every_split_and_the_class_names(tree, tmp_path, part):
    make_tree(tree, {"val": 3}, start=500)
    first = loading.load(prepare(tree, tmp_path))
    if part == "class name":
        for split_name in ("train", "val", "test"):
            (tree / split_name / "dog").rename(tree / split_name / "dogs")
    else:
        picture(77).save(tree / part / "cat" / "001.png")
    assert loading.load(prepare(tree, tmp_path)).fingerprint != first.fingerprint


@pytest.mark.parametrize("file", [*cache.FILES, "meta.json"])
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_cache_is_decoded_again(tree, tmp_path, file, damage):
    folder = prepare(tree, tmp_path)
    fingerprint = loading.load(folder).fingerprint
    if damage == "missing":
        (folder / file).unlink()
    else:
        os.truncate(folder / file, 50)
    assert loading.load(prepare(tree, tmp_path)).fingerprint == fingerprint


@pytest.mark.parametrize("content", [b"", b"\0" * 200, b"[]", b"{}", b'{"files": NaN}'])
def test_a_cache_with_damaged_facts_is_a_clear_error_for_a_trial(tree, tmp_path, content):
    folder = prepare(tree, tmp_path)
    (folder / "meta.json").write_bytes(content)
    with pytest.raises(DataError, match=r"unusable cache: .*Remove this folder and run the same command again"):
        loading.load(folder)


def test_a_cache_with_a_truncated_array_is_a_clear_error_for_a_trial(tree, tmp_path):
    folder = prepare(tree, tmp_path)
    os.truncate(folder / "train.npy", 5000)
    with pytest.raises(DataError, match="unusable cache"):
        loading.load(folder)


def test_a_cache_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="unusable cache"):
        loading.load(tmp_path / "nothing")


def test_two_at_once_decode_once(tmp_path):
    started, both, calls, results = threading.Event(), threading.Barrier(2), [], []

    def write(folder):
        calls.append(folder)
        started.set()
        both.wait(60)  # until the other one stands before the lock
        for part in cache.SPLITS:
            cache.save_split(folder, part, np.zeros((2, 32, 32, 3), np.uint8), np.arange(2))
        return cache.Written(("a", "b"))

    def build():
        results.append(cache.build("tiny", cache.key("tiny", ""), tmp_path / "data", write))

    first, second = threading.Thread(target=build), threading.Thread(target=build)
    first.start()
    started.wait(60)
    second.start()
    both.wait(60)
    first.join()
    second.join()
    assert len(calls) == 1
    assert results[0] == results[1]


KILLED = """
import sys
from pathlib import Path
from trainables.data import cache

def write(folder):
    (folder / "train.npy").write_bytes(b"half")
    print("writing", flush=True)
    sys.stdin.read()

cache.build("tiny", cache.key("tiny", ""), Path(sys.argv[1]), write)
"""


def test_what_a_killed_process_left_is_swept_by_the_next(tree, tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout.readline() == b"writing\n"
        assert list((tmp_path / "data-cache").glob(".tiny-*.tmp"))
        process.send_signal(signal.SIGKILL)
        process.wait()
    folder = prepare(tree, tmp_path)
    assert sorted(path.name for path in (tmp_path / "data-cache").iterdir()) == [".lock", folder.name]


def environment():
    return {**os.environ, "PYTHONPATH": str(Path(loading.__file__).parents[2])}


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a place where nobody may write")
def test_the_cache_of_read_only_data_lies_in_the_home_of_the_user(tree, user_cache):
    folder = loading.prepare(f"folder:{tree}", Path("/sys/kernel/data"))
    assert folder.parent == user_cache
    assert loading.prepare(f"folder:{tree}", Path("/sys/kernel/data")) == folder


def test_a_place_that_cannot_be_written_is_a_storage_error(tree, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        loading.prepare(f"folder:{tree}", tmp_path / "file" / "data")


# The command


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "trainables.data", *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_one_line_and_repairs_silent_damage(tree, tmp_path):
    arguments = (f"folder:{tree}", "--data-dir", str(tmp_path / "data"))
    first = command(*arguments)
    folder = prepare(tree, tmp_path)
    fingerprint = loading.load(folder).fingerprint
    assert (
        first.stdout == f"folder:{tree}: 36 train, 4 val, 10 test, 2 classes, fingerprint {fingerprint}, in {folder}\n"
    )
    intact = (folder / "test.npy").read_bytes()
    with (folder / "test.npy").open("r+b") as file:  # same size, so only a look at every byte finds it
        file.seek(1000)
        file.write(b"\xff\x00\xff")
    second = command(*arguments)
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert (folder / "test.npy").read_bytes() == intact


def test_the_command_ends_with_one_line_and_code_4_for_bad_data(tmp_path):
    result = command("folder:nowhere", "--data-dir", str(tmp_path / "data"))
    assert result.returncode == 4
    assert result.stderr.startswith("error[data]: cannot list images: ")
    assert result.stderr.count("\n") == 1


def test_loading_needs_no_torch_and_no_pillow(digits):
    program = (
        "import sys, pathlib; from trainables.data import loading; loading.load(pathlib.Path(sys.argv[1]));"
        "print({'torch', 'PIL', 'sklearn', 'rich'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(digits)], env=environment(), capture_output=True, text=True, check=True
    )
    assert result.stdout == "set()\n"


def test_facts_in_the_cache_are_strict_json(digits):
    facts = json.loads((digits / "meta.json").read_text(), parse_constant=pytest.fail)
    assert facts["sizes"]["train"] == 1197
