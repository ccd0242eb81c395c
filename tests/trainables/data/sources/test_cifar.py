"""CIFAR archives: synthetic ones in the format of the real ones, pickled as Python 2 did, and hostile ones."""

import os
import pickle
import tarfile
import threading
from dataclasses import replace
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler

import numpy as np
import pytest

from tests.trainables.data.archives import TEST, TRAIN, batches, pixels, publish, python2_pickle
from trainables.data import loading
from trainables.data.sources import cifar
from trainables.data.sources.cifar import CIFAR10, CIFAR100, read
from trainables.data.unpickle import unpickle
from trainables.errors import DataError


@pytest.fixture
def archive(tmp_path):
    return publish(tmp_path)


def test_the_images_are_rows_of_pixels_of_red_green_and_blue(archive, tmp_path):
    (images, labels), (test_images, test_labels), classes = read(archive, tmp_path / archive.file)
    assert (images.shape, images.dtype, labels.dtype) == ((TRAIN, 32, 32, 3), np.uint8, np.int64)
    assert images.flags.c_contiguous
    stored = pixels(TRAIN // 5, 1)  # of the second batch: 1024 red, then green, then blue values, row by row
    assert images[20 + 3, 5, 7].tolist() == stored[3, [5 * 32 + 7, 1024 + 5 * 32 + 7, 2048 + 5 * 32 + 7]].tolist()
    assert labels[20:24].tolist() == [1, 2, 3, 4]
    assert (len(test_images), len(test_labels)) == (TEST, TEST)
    assert classes[:2] == ("class 000", "class 001")


def test_batches_come_in_their_order_whatever_their_order_in_the_archive(archive, tmp_path):
    members = batches(CIFAR10)
    (tmp_path / "other").mkdir()
    turned = publish(tmp_path / "other", members={name: members[name] for name in reversed(members)})
    expected, found = read(archive, tmp_path / archive.file), read(turned, tmp_path / "other" / turned.file)
    assert np.array_equal(expected[0][0], found[0][0])
    assert np.array_equal(expected[0][1], found[0][1])


def test_unpacked_batches_give_what_the_archive_gives(archive, tmp_path):
    (tmp_path / archive.folder).mkdir()
    for name, content in batches(CIFAR10).items():
        (tmp_path / archive.folder / name).write_bytes(content)
    packed, unpacked = read(archive, tmp_path / archive.file), read(archive, tmp_path / archive.folder)
    assert np.array_equal(packed[0][0], unpacked[0][0])
    assert np.array_equal(packed[1][1], unpacked[1][1])


def test_cifar100_has_its_fine_labels(tmp_path):
    archive = publish(tmp_path, CIFAR100)
    (_, labels), _, classes = read(archive, tmp_path / archive.file)
    assert len(classes) == 100
    assert labels.tolist() == list(range(100))


def test_pickles_of_python_3_are_read_too(tmp_path):
    archive = publish(tmp_path, members=batches(CIFAR10, partial(pickle.dumps, protocol=2)))
    (images, _), _, _ = read(archive, tmp_path / archive.file)
    assert np.array_equal(images[0].transpose(2, 0, 1).ravel(), pixels(TRAIN // 5, 0)[0])


@pytest.mark.parametrize("damage", ["flip", "truncate", "extend"])
def test_a_changed_archive_is_refused_before_tarfile_sees_it(archive, tmp_path, monkeypatch, damage):
    path = tmp_path / archive.file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= damage == "flip"
    path.write_bytes({"flip": content, "truncate": content[:-1], "extend": content + b"x"}[damage])
    monkeypatch.setattr(tarfile, "open", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(DataError, match=rf"{archive.file}: its sha256 is|{archive.file}: it has"):
        read(archive, path)


def test_a_changed_unpacked_batch_is_refused(archive, tmp_path):
    (tmp_path / archive.folder).mkdir()
    for name, content in batches(CIFAR10).items():
        (tmp_path / archive.folder / name).write_bytes(content + b"x" * (name == "data_batch_3"))
    with pytest.raises(DataError, match="md5 of data_batch_3"):
        read(archive, tmp_path / archive.folder)


def test_a_missing_unpacked_batch_is_named(archive, tmp_path):
    (tmp_path / archive.folder).mkdir()
    with pytest.raises(DataError, match="data_batch_1: No such file"):
        read(archive, tmp_path / archive.folder)


class Evil:
    """Unpickling it runs a command."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return os.system, (f"touch {self.sentinel}",)


def test_a_hostile_pickle_is_refused_and_never_run(tmp_path):
    members = batches(CIFAR10)
    members["data_batch_2"] = pickle.dumps(Evil(tmp_path / "run"), protocol=2)
    archive = publish(tmp_path, members=members)
    with pytest.raises(DataError, match=r"data_batch_2 cannot be read: .*system"):
        read(archive, tmp_path / archive.file)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "name",
    [
        "os\nsystem",
        "builtins\neval",
        "numpy\nload",
        "numpy\nfromfile",
        "trainables.data.sources.cifar\nread",
        "numpy.core.multiarray\nscalar",
    ],
)
def test_an_unknown_name_in_a_pickle_is_refused(name):
    with pytest.raises(pickle.UnpicklingError, match="which no image batch needs"):
        unpickle(b"\x80\x02}U\x01kc" + name.encode() + b"\ns.")


def test_an_array_of_objects_is_refused():
    with pytest.raises(pickle.UnpicklingError, match="something else than bytes"):
        unpickle(pickle.dumps({b"data": np.array([None, "x"])}, protocol=2))


def link(kind, name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "name", ["../outside", "/TMP/outside", f"{CIFAR10.folder}/../../outside", "other/data_batch_1"]
)
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_unknown_members_are_left_alone_and_nothing_is_extracted(tmp_path, kind, name):
    folder = tmp_path / "data"
    folder.mkdir()
    evil = link(kind, name.replace("/TMP", str(tmp_path)), "/etc/passwd")
    archive = publish(folder, members={"evil": evil, **batches(CIFAR10)})
    read(archive, folder / archive.file)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["data", f"data/{archive.file}"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_a_known_member_that_is_no_plain_file_is_refused(tmp_path, kind):
    members = batches(CIFAR10)
    first = {"batch": link(kind, f"{CIFAR10.folder}/data_batch_1", "/etc/passwd")}
    archive = publish(tmp_path, members={**first, **members})
    with pytest.raises(DataError, match="data_batch_1 is not a plain file"):
        read(archive, tmp_path / archive.file)


def test_an_oversized_member_is_refused(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "MEMBER_LIMIT", 1000)
    with pytest.raises(DataError, match="is not a plain file of at most"):
        read(archive, tmp_path / archive.file)


def test_a_missing_member_is_named(tmp_path):
    members = batches(CIFAR10)
    facts = publish(tmp_path, members=members)
    del members["data_batch_4"]
    lacking = publish(tmp_path, members=members, train=facts.train)
    with pytest.raises(DataError, match="data_batch_4 missing"):
        read(lacking, tmp_path / lacking.file)


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        ({b"data": pixels(20, 0), b"labels": [0] * 19}, "images are not"),
        ({b"data": pixels(20, 0)[:, :-1].copy(), b"labels": [0] * 20}, "images are not"),
        ({b"data": pixels(20, 0), b"labels": [10] + [0] * 19}, "labels are not integers from 0 to 9"),
        ({b"data": pixels(20, 0), b"labels": [-1] + [0] * 19}, "labels are not integers from 0 to 9"),
        ({b"data": pixels(20, 0), b"labels": [[0]] * 20}, "labels are not integers"),
        ({b"data": b"x", b"labels": [0] * 20}, "images are not"),
        ({b"labels": [0] * 20}, "KeyError"),
        ([], "not a dictionary"),
        ({b"data": pixels(10, 0), b"labels": [0] * 10}, "90 images instead of 100"),
    ],
)
def test_a_batch_of_another_shape_is_refused(tmp_path, batch, why):
    archive = publish(tmp_path, members={**batches(CIFAR10), "data_batch_1": python2_pickle(batch)})
    with pytest.raises(DataError, match=why):
        read(archive, tmp_path / archive.file)


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    """A data folder whose cifar10 is a small archive; the archive lies beside, to be moved or served."""
    (tmp_path / "mirror").mkdir()
    (tmp_path / "data").mkdir()
    archive = publish(tmp_path / "mirror")
    monkeypatch.setitem(cifar.ARCHIVES, "cifar10", archive)
    return archive


def move_in(archive, tmp_path):
    (tmp_path / "mirror" / archive.file).rename(tmp_path / "data" / archive.file)


def test_prepare_holds_out_a_tenth_and_load_keeps_every_image(at_home, tmp_path):
    move_in(at_home, tmp_path)
    dataset = loading.load(loading.prepare("cifar10", tmp_path / "data"))
    assert dataset.sizes == {"train": 90, "val": 10, "test": 20}
    assert dataset.name == "cifar10"
    together = np.concatenate([dataset.train.images, dataset.val.images])
    stored, _, _ = read(at_home, tmp_path / "data" / at_home.file)
    assert sorted(image.tobytes() for image in together) == sorted(image.tobytes() for image in stored[0])


def test_the_cache_serves_where_the_archive_is_gone(at_home, tmp_path):
    move_in(at_home, tmp_path)
    cache = loading.prepare("cifar10", tmp_path / "data")
    (tmp_path / "data" / at_home.file).unlink()
    assert loading.resolve("auto", tmp_path / "data") == ("cifar10", None)
    assert loading.prepare("cifar10", tmp_path / "data") == cache


def test_auto_takes_an_archive_that_is_there(at_home, tmp_path):
    move_in(at_home, tmp_path)
    assert loading.resolve("auto", tmp_path / "data") == ("cifar10", None)


def test_auto_takes_unpacked_batches_that_are_there(at_home, tmp_path):
    (tmp_path / "data" / at_home.folder).mkdir()
    assert loading.resolve("auto", tmp_path / "data") == ("cifar10", None)


def test_auto_fetches_what_can_be_fetched(at_home, tmp_path, monkeypatch):
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "mirror")
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{at_home.file}"
        monkeypatch.setitem(cifar.ARCHIVES, "cifar10", replace(at_home, urls=(url,)))
        assert loading.resolve("auto", tmp_path / "data") == ("cifar10", None)
        server.shutdown()
    assert loading.load(loading.prepare("cifar10", tmp_path / "data")).sizes["train"] == 90


def test_auto_falls_back_to_digits_with_one_line_that_says_why_and_what_to_do(at_home, tmp_path, monkeypatch):
    monkeypatch.setitem(cifar.ARCHIVES, "cifar10", replace(at_home, urls=("https://nowhere.invalid/a.tar.gz",)))
    name, line = loading.resolve("auto", tmp_path / "data")
    assert name == "digits"
    assert "\n" not in line
    for part in ("nowhere.invalid", f"python -m trainables.data cifar10 --data-dir {tmp_path / 'data'}", at_home.file):
        assert part in line


def test_a_named_data_set_never_falls_back(at_home, tmp_path, monkeypatch):
    monkeypatch.setitem(cifar.ARCHIVES, "cifar10", replace(at_home, urls=("https://nowhere.invalid/a.tar.gz",)))
    assert loading.resolve("cifar10", tmp_path / "data") == ("cifar10", None)
    with pytest.raises(DataError, match="cannot download"):
        loading.prepare("cifar10", tmp_path / "data")


def test_a_damaged_archive_is_an_error_for_auto_too(at_home, tmp_path):
    (tmp_path / "data" / at_home.file).write_bytes(b"half of it")
    name, _ = loading.resolve("auto", tmp_path / "data")
    with pytest.raises(DataError, match="Remove it and run the same command again"):
        loading.prepare(name, tmp_path / "data")
    assert not list((tmp_path / "data-cache").glob("cifar*"))
