"""Ray itself at fault: it runs short of memory, loses messages, or does not start."""

import contextlib
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from search.run import ledger

pytestmark = pytest.mark.integration
MINUTES = 240.0  # seconds: less than Ray itself would try for
GIB = 1 << 20  # in KiB
LOSSY = '{"*":{"num_failures":-1,"req_failure_prob":5,"resp_failure_prob":5}}'


def memory(*names):
    """KiB, of /proc/meminfo."""
    told = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return [int(told[name].split()[0]) for name in names]


@pytest.mark.slow
def test_a_trial_that_runs_out_of_memory_alone_has_failed_and_the_others_finish(search, check):
    """Ray's memory monitor kills it, which Tune takes for the end of everything."""
    total, free = memory("MemTotal", "MemAvailable")
    if free < 14 * GIB:
        pytest.skip("needs 14 GiB of free memory")
    search.inject("memory")
    threshold = (total - free + 5 * GIB) / total
    monitor = {"RAY_memory_usage_threshold": f"{threshold:.3f}", "RAY_memory_monitor_refresh_ms": 100}
    code, errors = search.done(**monitor)
    trials = ledger.read(search.run).trials
    assert code == 1, (errors, search.log())
    assert [trial.status for trial in trials] == ["finished", "failed", "finished"]
    assert trials[1].outcome["error"].startswith("out of memory: ")
    assert "no progress in" not in search.log()
    search.inject("nothing")
    assert search.done("--retry-failed")[0] == 0
    check(search)


@pytest.mark.slow
def test_lost_messages_blame_no_configuration(search, check):
    """One in twenty requests and answers of Ray is lost."""
    code, errors = search.done(RAY_testing_rpc_failure=LOSSY)
    # Ray ends the process itself if its daemon dies while we connect to it: docs/reliability.md
    assert code in (0, 8) or (code == 1 and "Worker will terminate" in search.log()), (errors, search.log())
    assert errors.count("\n") <= 2  # the error, or what the best one costs and where the results are
    run = ledger.read(search.run)
    assert not any(trial.status == "failed" for trial in run.trials)
    assert search.done()[0] == 0
    check(search)


def refused(search, *arguments, **environment):
    """Exit code 8, one line and its cause, in time; nothing of a run is lost by it."""
    started = time.monotonic()
    code, errors = search.done(*arguments, **environment)
    assert code == 8, (errors, search.log())
    assert errors.startswith("error[ray]: Ray does not start: ")
    assert errors.count("\n") == 1
    assert time.monotonic() - started < MINUTES
    return errors


def test_no_cluster_at_that_address(search):
    assert "127.0.0.1:1" in refused(search, "--address", "127.0.0.1:1")


@pytest.mark.slow
def test_a_temporary_folder_with_too_long_a_name_is_no_obstacle(search, check):
    """As on every Mac, and in jobs of some clusters: Ray's sockets must have short names."""
    long = search.folder / ("t" * 60) / ("t" * 60)
    long.mkdir(parents=True)
    code, errors = search.done(TMPDIR=long)
    assert code == 0, (errors, search.log())
    assert list(long.iterdir()) == []
    check(search)


@pytest.mark.slow
def test_a_temporary_folder_that_is_full(search):
    place = Path(tempfile.mkdtemp(prefix="f", dir="/tmp"))  # short, or it would not be used
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("cannot mount")
    try:
        assert refused(search, TMPDIR=place)
    finally:
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "-l", place], check=False)
            place.rmdir()
