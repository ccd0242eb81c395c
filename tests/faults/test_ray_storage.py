"""A disk that is full or read-only, and too many open files, in the middle of a search: it says so, blames nobody, goes on."""

import contextlib
import os
import resource
import subprocess
import time

import pytest

from search.run import ledger

pytestmark = pytest.mark.integration


def command(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{words[0]}: {done.stderr.strip()}")


@contextlib.contextmanager
def mounted(place, *arguments):
    """A file system of its own for the runs."""
    place.mkdir(exist_ok=True)
    command("mount", *arguments, place)
    try:
        yield
    finally:
        unmount(place)


def unmount(place):
    """Workers live a little longer than their search."""
    give_up = time.monotonic() + 30
    while subprocess.run(["umount", place], capture_output=True).returncode and time.monotonic() < give_up:
        time.sleep(0.2)


@pytest.fixture(autouse=True)
def root():
    if os.geteuid():
        pytest.skip("needs to mount file systems and change limits")


def came_in_time(code, errors):
    """A fault that comes after the end of the search tests nothing."""
    if code == 0:
        pytest.skip("this machine was so busy that the search was over before the fault came")
    return code, errors


def is_storage(search, code, errors):
    assert code == 6, (errors, search.log())
    assert errors.startswith("error[storage]: ")
    assert errors.count("\n") == 1
    assert not any(trial.status == "failed" for trial in ledger.read(search.run).trials)


@pytest.mark.slow
def test_a_full_disk(search, check):
    """There is room for the ledger, but not for the first state; then more room is made."""
    runs = search.folder / "runs"
    with mounted(runs, "-t", "tmpfs", "-o", "size=50m", "tmpfs"):
        is_storage(search, *search.done())
        command("mount", "-o", "remount,size=2g", runs)
        code, errors = search.done()
        assert code == 0, (errors, search.log())
        check(search)


@pytest.mark.slow
def test_a_disk_that_turns_read_only(search, check, tmp_path):
    runs, image = search.folder / "runs", tmp_path / "image"
    command("truncate", "-s", "2G", image)
    command("mkfs.ext4", "-q", image)
    with mounted(runs, "-o", "loop", image):
        process = search.start()
        search.wait_for_rows(1, process)
        command("mount", "-o", "remount,abort", runs)  # as after an error of the device
        is_storage(search, *came_in_time(*search.end(process)))
    assert subprocess.run(["e2fsck", "-p", image], capture_output=True).returncode <= 1  # 1: mended
    with mounted(runs, "-o", "loop", image):
        code, errors = search.done()
        assert code == 0, (errors, search.log())
        check(search)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["search", "worker"])
def test_too_many_open_files(search, check, who):
    process = search.start()
    search.wait_for_rows(1, process)
    target = process.pid if who == "search" else search.worker(process)[1]
    resource.prlimit(target, resource.RLIMIT_NOFILE, (20, 20))
    is_storage(search, *came_in_time(*search.end(process)))
    code, errors = search.done()
    assert code == 0, (errors, search.log())
    check(search)


def test_a_disk_that_is_full_from_the_start_is_told_before_ray_starts(search):
    with mounted(search.folder / "runs", "-t", "tmpfs", "-o", "size=512k", "tmpfs"):
        is_storage(search, *search.done())
        assert not (search.run / "ray").exists()


def test_a_limit_of_open_files_that_is_too_low_is_told_before_ray_starts(search, monkeypatch):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    process = search.start()
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (200, 200))
    code, errors = search.end(process)
    assert (code, "too few open files" in errors) == (6, True), (errors, hard)
    assert not (search.run / "ray").exists()
