"""Files that are no good images are named all at once, or left out and counted."""

import errno
import shutil

import numpy as np
import pytest
from PIL import Image

from trainables.data import decode, loading
from trainables.errors import DataError


def prepare(root, tmp_path, **more):
    return loading.load(loading.prepare(f"folder:{root}", tmp_path / "data", **more))


def spoil(root, *names):
    for name in names:
        (root / name).write_bytes((root / name).read_bytes()[:100])


SPOILT = ("train/cat/train003.png", "train/dog/train007.png", "test/dog/test001.png")


def in_two_processes(monkeypatch):
    monkeypatch.setattr(decode, "WORTH_A_PROCESS", 25)
    monkeypatch.setattr(decode.cores, "usable", lambda: 2)


@pytest.mark.parametrize("processes", [1, 2])
def test_all_bad_files_are_named_at_once(make_tree, tmp_path, monkeypatch, processes):
    if processes == 2:
        in_two_processes(monkeypatch)
    root = make_tree({"train": 20, "test": 5})
    spoil(root, *SPOILT)
    with pytest.raises(DataError) as refused:
        prepare(root, tmp_path)
    assert refused.value.message == (
        f"cannot read 3 images: {root}. Replace or remove them, or leave them out with --skip-bad."
    )
    assert [line.split(": ")[0] for line in refused.value.details] == sorted(str(root / name) for name in SPOILT)


def test_a_link_of_an_image_that_leads_nowhere_is_named_with_them(make_tree, tmp_path):
    root = make_tree({"train": 20, "test": 5})
    spoil(root, SPOILT[0])
    link = root / "train/cat/elsewhere.png"
    link.symlink_to("/not-mounted/elsewhere.png")
    with pytest.raises(DataError, match="cannot read 2 images") as refused:
        prepare(root, tmp_path)
    assert any(line.startswith(f"{link}: ") and "No such file" in line for line in refused.value.details)
    assert prepare(root, tmp_path, skip_bad=True).census["skipped"] == 2


def test_of_many_the_first_are_named_and_the_others_counted(make_tree, tmp_path):
    root = make_tree({"train": 20, "test": 5})
    spoil(root, *(f"train/cat/train{number:03}.png" for number in range(12)))
    with pytest.raises(DataError, match="cannot read 12 images") as refused:
        prepare(root, tmp_path)
    assert len(refused.value.details) == 6
    assert refused.value.details[-1] == "... and 7 more"


@pytest.mark.parametrize("part", ["val", "held out"])
def test_a_folder_without_its_bad_files_is_one_from_which_they_were_removed(make_tree, tmp_path, capsys, part):
    """The same images are held out, so the fingerprint is the same, and a run can go on when the folder was cleaned."""
    root = make_tree({"train": 20, "test": 5} | ({"val": 3} if part == "val" else {}))
    spoil(root, *SPOILT)
    skipped = prepare(root, tmp_path, skip_bad=True)
    said = capsys.readouterr().err
    assert f"note: left out, as --skip-bad asks: {root / 'test/dog/test001.png'}: " in said
    assert "note: 3 images left out that cannot be read (--skip-bad).\n" in said
    assert skipped.census["skipped"] == 3
    assert skipped.sizes["train"] + (0 if part == "val" else skipped.sizes["val"]) == 38
    for name in SPOILT:
        (root / name).unlink()
    assert prepare(root, tmp_path).fingerprint == skipped.fingerprint


def test_what_was_left_out_is_said_each_time_and_never_without_the_flag(make_tree, tmp_path, capsys):
    root = make_tree({"train": 20, "test": 5})
    spoil(root, *SPOILT)
    prepare(root, tmp_path, skip_bad=True)
    capsys.readouterr()
    prepare(root, tmp_path, skip_bad=True)
    assert "note: 3 images left out that cannot be read (--skip-bad).\n" in capsys.readouterr().err
    with pytest.raises(DataError, match="cannot read 3 images"):  # although the cache has the others
        prepare(root, tmp_path)


def test_a_class_without_a_good_file_is_an_error_all_the_same(make_tree, tmp_path):
    root = make_tree({"train": 20, "test": 5})
    spoil(root, *(f"train/cat/train{number:03}.png" for number in range(20)))
    with pytest.raises(DataError, match=r"^empty class: .*pets: cat has no training images"):
        prepare(root, tmp_path, skip_bad=True)


def test_a_folder_of_good_files_is_the_same_with_the_flag(make_tree, tmp_path, capsys):
    root = make_tree({"train": 20, "test": 5})
    both = prepare(root, tmp_path), prepare(root, tmp_path, skip_bad=True)
    assert both[0].fingerprint == both[1].fingerprint
    assert both[1].census["skipped"] == 0
    assert "left out" not in capsys.readouterr().err


def test_the_flag_is_not_read_without_a_folder_and_that_is_said(tmp_path, capsys):
    loading.prepare("digits", tmp_path / "data", skip_bad=True)
    assert "note: --skip-bad has no effect with --dataset digits\n" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOMEM])
def test_a_fault_of_the_system_is_no_bad_file(make_tree, tmp_path, monkeypatch, number):
    """Or pictures would be left out because too many files were open."""

    def refuse(path, **_):
        raise OSError(number, "a fault of the system", path)

    monkeypatch.setattr(Image, "open", refuse)
    root = make_tree({"train": 20, "test": 5})
    with pytest.raises(DataError, match=r"a fault of the system.*Run the same command again"):
        prepare(root, tmp_path, skip_bad=True)


@pytest.mark.parametrize("how", ["crop", "squash", "pad"])
def test_pictures_that_are_not_square_are_counted_and_said_each_time(make_tree, tmp_path, capsys, how):
    root = make_tree({"train": 20, "test": 5})
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (40, 90, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / "train" / "cat" / f"wide{number}.png")
    for _ in range(2):  # the second time nothing is decoded
        found = prepare(root, tmp_path, resize=how)
        assert (found.census["oblong"], found.census["resize"]) == (3, how)
        assert "note: 3 of 53 images are not square: the" in capsys.readouterr().err


def test_a_file_that_is_gone_by_now_is_listed_with_the_others(make_tree, tmp_path, monkeypatch):
    root = make_tree({"train": 20, "test": 5})
    spoil(root, SPOILT[0])
    scanned = decode.decode_all

    def decode_all(*given):
        shutil.move(root / SPOILT[1], tmp_path / "elsewhere.png")
        return scanned(*given)

    monkeypatch.setattr(decode, "decode_all", decode_all)
    with pytest.raises(DataError, match="cannot read 2 images"):
        prepare(root, tmp_path)
