"""Mutated archives whose hashes are right: images, or a DataError; nothing is executed, nothing is written. FUZZ_EXAMPLES.

The hashes are computed for the mutated bytes, because otherwise none would get past the first check.
"""

import gzip
import hashlib
import io
import os
import pickle
import resource
import sys
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainables.data.archive import Archive
from trainables.data.sources.cifar import CIFAR10, read
from trainables.errors import DataError

pytestmark = pytest.mark.integration
often = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", settings().max_examples)),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
EDGES = (0, 1, 9, 127, 128, 255)


def batch(count: int) -> bytes:
    pixels = np.zeros((count, 3072), np.uint8)
    return pickle.dumps({b"data": pixels, b"labels": list(range(count))}, protocol=2)


MEMBERS = {
    "data_batch_1": batch(4),
    "test_batch": batch(2),
    "batches.meta": pickle.dumps({b"label_names": [b"%d" % label for label in range(10)]}, protocol=2),
}


def packed(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"{CIFAR10.folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def published(place: Path, tar: bytes, members: dict[str, bytes]) -> Archive:
    """Put an archive into place, and return facts by which it is the true one."""
    data = gzip.compress(tar, compresslevel=1, mtime=0)
    (place / CIFAR10.file).write_bytes(data)
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in members.items()}
    return replace(
        CIFAR10,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        md5=hashlib.md5(data).hexdigest(),
        train=(("data_batch_1", md5["data_batch_1"]),),
        test=(("test_batch", md5["test_batch"]),),
        meta=("batches.meta", md5["batches.meta"]),
        images=(4, 2),
    )


@st.composite
def mutated(draw, data: bytes) -> bytes:
    """Some bytes changed, lost, or put in."""
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)) | st.integers(0, min(512, len(data))))  # headers are at the start
        new = draw(st.binary(max_size=6) | st.sampled_from([bytes([edge]) for edge in EDGES]))
        data = data[:place] + new + data[place + draw(st.integers(0, 6)) :]
    return data


class Watch:
    """Sees what this thread does with files and processes while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        self.thread = threading.get_ident()
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple) -> None:
        if not self.on or threading.get_ident() != self.thread:
            return
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self.seen.append(f"open {arguments[0]}")
        if event in (
            "os.system",
            "subprocess.Popen",
            "os.exec",
            "os.mkdir",
            "os.rename",
            "os.remove",
            "exec",
            "os.symlink",
        ):
            self.seen.append(event)


@pytest.fixture(scope="module")
def watch():
    return Watch()


@pytest.fixture(scope="module", autouse=True)
def limited():
    """Memory for four times the largest member that is read; more is a bomb."""
    old = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, old)


def refused_or_read(archive: Archive, place: Path, watch: Watch) -> bool:
    """Whether it was read; nothing but our error may come out, and nothing may be touched."""
    before, watch.seen = sorted(place.iterdir()), []
    watch.on = True
    try:
        train, test, classes = read(archive, place / CIFAR10.file)
    except DataError as error:
        assert archive.file in str(error)
        return False
    finally:
        watch.on = False
        assert watch.seen == []
        assert sorted(place.iterdir()) == before
    assert train[0].shape == (4, 32, 32, 3)
    assert test[0].shape == (2, 32, 32, 3)
    assert len(classes) == 10
    return True


def test_the_small_archive_itself_is_read(tmp_path, watch):
    assert refused_or_read(published(tmp_path, packed(MEMBERS), MEMBERS), tmp_path, watch)


@often
@given(tar=mutated(packed(MEMBERS)))
def test_a_mutated_tar(tmp_path, watch, tar):
    refused_or_read(published(tmp_path, tar, MEMBERS), tmp_path, watch)


@often
@given(name=st.sampled_from(sorted(MEMBERS)), data=st.data())
def test_a_mutated_pickle(tmp_path, watch, name, data):
    members = MEMBERS | {name: data.draw(mutated(MEMBERS[name]))}
    refused_or_read(published(tmp_path, packed(members), members), tmp_path, watch)


class Attack:
    """What a hostile pickle asks for."""

    def __init__(self, call, *arguments) -> None:
        self.asked = call, arguments

    def __reduce__(self):
        return self.asked


@often
@given(
    name=st.sampled_from(sorted(MEMBERS)),
    attack=st.sampled_from([Attack(os.mkdir, "evil"), Attack(eval, "1"), Attack(exec, ""), Attack(bytearray, 1 << 40)]),
    protocol=st.integers(0, 5),
    data=st.data(),
)
def test_a_hostile_pickle_is_refused(tmp_path, watch, name, attack, protocol, data):
    members = MEMBERS | {
        name: data.draw(st.just(pickle.dumps(attack, protocol)) | mutated(pickle.dumps(attack, protocol)))
    }
    assert not refused_or_read(published(tmp_path, packed(members), members), tmp_path, watch)
