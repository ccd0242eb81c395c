"""Limits that Ray does not start under: pytest tests/search/backend/test_limits.py"""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from search.backend import limits
from trainables.errors import RayError, StorageError
from trainables.hardware import cgroup

ROOT = Path(__file__).parents[3]
INFINITY = resource.RLIM_INFINITY


@pytest.fixture
def limited(monkeypatch):
    """Set limits that are only told of, by a user who is not root; returns what is raised."""
    told = {}

    def limit(**pairs):
        known = {getattr(resource, f"RLIMIT_{name}"): pair for name, pair in pairs.items()}
        monkeypatch.setattr(resource, "getrlimit", lambda which: known.get(which, (INFINITY, INFINITY)))
        monkeypatch.setattr(resource, "setrlimit", lambda which, pair: told.update({which: pair}))
        monkeypatch.setattr(os, "getuid", lambda: 54321)
        monkeypatch.setattr(cgroup, "read", lambda *_: iter(()))
        return told

    return limit


@pytest.mark.parametrize(("files", "asked"), [((64, 4096), 4096), ((1024, INFINITY), 65536)])
def test_a_soft_limit_of_open_files_is_raised(limited, files, asked):
    told = limited(NOFILE=files)
    limits.check(2)
    assert told == {resource.RLIMIT_NOFILE: (asked, files[1])}


def test_a_hard_limit_of_open_files_that_is_too_low_is_said(limited):
    limited(NOFILE=(256, 256))
    with pytest.raises(StorageError, match="it may open 256"):
        limits.check(2)


@pytest.mark.parametrize(
    ("name", "command"),
    [("AS", "ulimit -Hv unlimited"), ("DATA", "ulimit -Hd unlimited"), ("FSIZE", "ulimit -Hf unlimited")],
)
def test_a_limit_of_memory_that_is_too_low_is_named_with_what_raises_it(limited, monkeypatch, name, command):
    monkeypatch.setattr(limits, "store", lambda: 7 << 30)
    limited(**{name: (1 << 30, 1 << 30)})
    with pytest.raises(
        RayError, match=rf"limited to 1\.0 GiB, and Ray needs about .*\. Only .* hard limit: {command}\."
    ):
        limits.check(2)


@pytest.mark.parametrize("name", ["AS", "DATA", "FSIZE"])
def test_a_soft_limit_of_memory_is_raised_to_what_is_needed_and_no_more(limited, monkeypatch, name):
    monkeypatch.setattr(limits, "store", lambda: 7 << 30)
    told = limited(**{name: (1 << 30, 1 << 60)})
    limits.check(2)
    assert [(soft < 1 << 60, hard) for soft, hard in told.values() if hard == 1 << 60] == [(True, 1 << 60)]


def test_limits_that_are_high_enough_are_left_alone(limited):
    told = limited(AS=(1 << 50, 1 << 50), DATA=(1 << 50, INFINITY), NOFILE=(1 << 20, 1 << 20))
    limits.check(2)
    assert told == {}


@pytest.mark.parametrize(
    ("most", "running", "fits"), [(30, 10, False), (195, 1, False), (1000, 700, True), (1000, 900, False)]
)
def test_threads_of_a_user_are_counted_beside_those_that_run(limited, monkeypatch, most, running, fits):
    limited(NPROC=(most, most))
    monkeypatch.setattr(limits, "threads_of", lambda user: {54321: running}[user])
    if fits:
        limits.check(2)
        return
    with pytest.raises(
        RayError, match=rf"this user: {most - running} more .* about 195\. Only .* hard limit: ulimit -Hu\."
    ):
        limits.check(2)


def test_root_has_no_limit_of_processes(limited, monkeypatch):
    limited(NPROC=(30, 30))
    monkeypatch.setattr(os, "getuid", lambda: 0)
    limits.check(2)


def test_the_limit_of_a_container_is_named_too(limited, monkeypatch):
    limited()
    said = {"pids.current": "40", "pids.max": "100"}
    monkeypatch.setattr(
        cgroup, "read", lambda _, name: iter([(Path("/sys/fs/cgroup/x"), said[name]), (Path("/"), "max")])
    )
    with pytest.raises(RayError, match=r"container or job \(/sys/fs/cgroup/x\): 60 more .* --pids-limit"):
        limits.check(2)


def test_a_search_on_a_cluster_needs_only_files_here(limited):
    limited(AS=(1, 1), NPROC=(1, 1))
    limits.check(None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_threads_are_counted_as_the_kernel_counts_them():
    before = limits.threads_of(os.getuid())
    assert before >= 1
    assert limits.threads_of(54321) == 0
    assert limits.status(Path("/proc/self/status"))[0] == os.getuid()
    assert limits.status(Path("/proc/0/status")) == (-1, 0)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("limit", "named"),
    [("ulimit -v 6000000", "ulimit -Hv"), pytest.param("ulimit -f 1000000", "ulimit -Hf", marks=pytest.mark.slow)],
)
def test_a_search_under_a_limit_names_it_and_starts_no_ray(tmp_path, limit, named):
    words = "--space lr_sweep --dataset digits --fraction 0.2 --epochs 1 --name t"
    done = subprocess.run(
        ["sh", "-c", f'{limit} && exec "$0" {ROOT}/run_search.py {words}', sys.executable], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 8, done.stderr
    assert f"can raise this hard limit: {named} unlimited." in done.stderr
    assert not (tmp_path / "runs/t/ray").exists()
