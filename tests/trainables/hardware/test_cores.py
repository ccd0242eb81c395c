"""Quotas of a container: pytest tests/trainables/hardware/test_cores.py"""

import math
import os

import pytest

from search.backend import resources, session
from search.settings import Settings
from trainables.data import decode
from trainables.hardware import cgroup, cores


@pytest.fixture
def groups(tmp_path):
    """Control groups as files: what the process belongs to, and what each folder says."""

    def make(own, files):
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            (tmp_path / "mount" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "mount" / name).write_text(text)
        return tmp_path / "mount", tmp_path / "own"

    return make


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5),  # a container
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),  # the one around it
        ("0::/a/b\n", {"a/b/cpu.max": "20000 10000\n", "a/cpu.max": "400000 100000\n"}, 2.0),
        ("0::/a\n", {"a/cpu.max": "25000\n"}, math.inf),  # no period: not as the kernel writes it
        ("4:cpu,cpuacct:/x\n1:name=systemd:/y\n", {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ("4:cpu,cpuacct:/x\n", {"cpu,cpuacct/x/cpu.cfs_quota_us": "1000", "cpu,cpuacct/x/cpu.cfs_period_us": "4000"}, 0.25),
        ("4:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, math.inf),
        ("4:cpu:/x\n0::/x\n", {"unified/x/cpu.max": "300000 100000"}, 3),
        ("", {}, math.inf),
    ],
)  # fmt: skip
def test_a_quota_is_that_of_the_tightest_group(groups, own, files, expected):
    assert cores.quota(*groups(own, files)) == expected


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert cores.quota(tmp_path / "none", tmp_path / "nothing") == math.inf


@pytest.mark.parametrize(("quota", "expected"), [(0.5, 1), (0.01, 1), (1.9, 1), (2.0, 2), (3.5, 3), (math.inf, 8)])
def test_a_part_of_a_core_is_one_and_never_rounded_up(monkeypatch, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "quota", lambda: quota)
    assert cores.usable() == expected


def test_everything_counts_alike(monkeypatch, tmp_path):
    """The search, what --dry-run says, what Ray is told, and the processes that decode."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(cores, "quota", lambda: 1.5)
    monkeypatch.setattr(resources, "local_gpus", lambda: 0)
    started = []
    monkeypatch.setattr(decode, "_decode_in_processes", lambda shares, _: started.append(len(shares)))
    monkeypatch.setattr(decode, "_decode_strip", lambda strip: [])
    decode.decode_all([("file", 0, ["x"] * 9999)], lambda _: None)
    asked = Settings.__new__(Settings)
    for name, value in {"cpus_per_trial": 1, "gpus_per_trial": None, "max_concurrent": None, "engine": None}.items():
        object.__setattr__(asked, name, value)
    assert resources.local(asked).slots == 1
    assert session.here(tmp_path)["num_cpus"] == 1
    assert started == []


def test_every_group_of_a_process_is_read_from_the_inside(groups):
    mount, own = groups("0::/a/b\n", {"a/b/pids.max": "10", "a/pids.max": "max", "pids.max": "30"})
    assert [text for _, text in cgroup.read("pids", "pids.max", mount, own)] == ["10", "max", "30"]
