"""The power fails: what a disk held at that moment is mounted again, and everything that was told to be durable is there.

A real ext4 in an image file, mounted so that it writes nothing by itself (no delayed-allocation heuristics, data in no
order, a commit every five minutes). The writer is frozen, the image copied, and the copy mounted, which replays its journal.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis.verify.run_folder import verify
from tests.waiting import a_while, until
from trainables.errors import RunError
from trainables.files import durable

OPTIONS = "loop,noauto_da_alloc,data=writeback,commit=300"
Cut = Callable[[], contextlib.AbstractContextManager[Path]]  # cut the power; in its context the disk as it comes back


@contextlib.contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-o", OPTIONS, image, place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount a disk image here: {done.stderr.splitlines()[0]}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """An ext4 of 32 MiB."""
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("mkfs.ext4 is not installed")
    with (tmp_path / "image").open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", tmp_path / "image"], check=True)
    with mounted(tmp_path / "image", tmp_path / "disk") as place:
        yield place


@contextlib.contextmanager
def power_cut(disk: Path) -> Iterator[Path]:
    """The disk as it comes back if the power fails now."""
    image = disk.with_name("image")
    shutil.copyfile(image, disk.with_name("copy"))
    with mounted(disk.with_name("copy"), disk.with_name("after")) as after:
        yield after


def told(path: Path) -> dict[str, int]:
    """The newest version of each kind of file that the writer said was durable."""
    return {kind: int(version) for kind, version in map(str.split, path.read_text().splitlines())}


def cuts(
    victims, disk: Path, listener: Path, count: int, *, safe: bool = True
) -> Iterator[tuple[Path, dict[str, int]]]:
    """Cut the power of a writer at random moments; yield the disk that comes back, and what was promised by then."""
    listener.touch()
    dice = random.Random(0)
    writer = victims.start("chain", disk, str(listener), safe)
    try:
        for _ in range(count):
            size = listener.stat().st_size
            until(lambda: listener.stat().st_size > size)  # noqa: B023, it is called at once
            time.sleep(dice.uniform(0.01, 0.15))
            os.kill(writer, signal.SIGSTOP)
            promised = told(listener)
            with power_cut(disk) as after:
                yield after, promised
            os.kill(writer, signal.SIGCONT)
    finally:
        victims.kill(writer)


def lost(after: Path, promised: dict[str, int]) -> list[str]:
    """Which promises a disk breaks."""
    versions = [row["epoch"] for row in durable.read_lines(after / "epochs.jsonl")]
    newest = durable.read_json(after / "run.json")["version"] if (after / "run.json").exists() else 0
    found = {"line": len(versions), "json": newest, "state": max(good_states(after), default=0)}
    missing = [kind for kind, version in promised.items() if found[kind] < version]
    return missing + ["order"] * (versions != list(range(1, len(versions) + 1)))


def good_states(folder: Path) -> list[int]:
    """The versions of the states that count."""
    good = []
    for path in durable.states(folder):
        with contextlib.suppress(RunError):
            good.append(int(durable.read_checked(path).split()[0]))
    return good


@pytest.mark.integration
def test_nothing_that_was_told_to_be_durable_is_lost(victims, disk, tmp_path, times, tally):
    number = times("FAULT_CUTS", 12)
    for after, promised in cuts(victims, disk, tmp_path / "told", number):
        assert lost(after, promised) == []
        rows = durable.read_lines(after / "epochs.jsonl")
        durable.append(after / "epochs.jsonl", {"epoch": len(rows) + 1})
        durable.sweep(after)
        assert not list(after.glob(".*.tmp"))
    tally("power cuts", number)


@pytest.mark.integration
def test_without_fsync_it_would_be_lost(victims, disk, tmp_path):
    """The control: the same writer without a single fsync breaks its promises, so a cut is a cut."""
    broken = []
    with contextlib.suppress(RunError):
        for after, promised in cuts(victims, disk, tmp_path / "told", 5, safe=False):
            broken += lost(after, promised)
        assert broken


@pytest.mark.integration
def test_a_trial_whose_disk_was_cut_off_ends_in_the_same_bytes(victims, content, disk, tmp_path, tiny, times, tally):
    config, dice, number = tiny | {"epochs": 10}, random.Random(1), times("FAULT_CUTS", 12) // 4
    assert victims.run("train", tmp_path / "whole", config) == 0
    whole = content(tmp_path / "whole")
    for cut in range(number):
        trainer = victims.start("train", disk / f"{cut}", config)
        a_while(dice, disk / f"{cut}", lambda: victims.ended(trainer))  # noqa: B023, it is called at once
        os.kill(trainer, signal.SIGSTOP)
        committed = len(durable.read_lines(disk / f"{cut}/epochs.jsonl"))
        with power_cut(disk) as after:
            assert (
                len(durable.read_lines(after / f"{cut}/epochs.jsonl")) >= committed - 1
            )  # the last may not be synced yet
            assert victims.run("train", after / f"{cut}", config) == 0
            assert content(after / f"{cut}") == whole
        victims.kill(trainer)
        shutil.rmtree(disk / f"{cut}", ignore_errors=True)
    tally("power cuts", number)


@pytest.mark.integration
def test_a_search_whose_disk_was_cut_off_keeps_every_invariant(victims, disk, times, tally):
    dice, number = random.Random(2), times("FAULT_CUTS", 12) // 4
    for cut in range(number):
        searcher = victims.start("search", disk / f"{cut}", "asha")
        a_while(dice, disk / f"{cut}", lambda: victims.ended(searcher))  # noqa: B023
        os.kill(searcher, signal.SIGSTOP)
        with power_cut(disk) as after:
            assert victims.run("search", after / f"{cut}", "asha") == 0
            assert verify(after / f"{cut}") == []
        victims.kill(searcher)
        shutil.rmtree(disk / f"{cut}", ignore_errors=True)
    tally("power cuts", number)
