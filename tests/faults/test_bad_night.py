"""One search to which everything happens that tests beside this one try by itself: it ends in the bytes of an undisturbed one."""

import os
import signal

import pytest

from search.run import ledger
from tests.faults.test_ray_storage import command, is_storage, mounted

pytestmark = pytest.mark.integration


def test_a_full_disk_a_lost_worker_and_a_kill_change_nothing(search, whole_search, check):
    runs = search.folder / "runs"
    with mounted(runs, "-t", "tmpfs", "-o", "size=50m", "tmpfs"):  # room for the ledger, not for the first state
        is_storage(search, *search.done())
        command("mount", "-o", "remount,size=2g", runs)
        before = lose_a_worker_and_the_command(search)
        code, errors = search.done()
        assert code == 0, (errors, search.log())
        assert all(search.rows()[trial][: len(rows)] == rows for trial, rows in before.items()), "a row was lost"
        check(search)
        for name in ("results.md", "results.csv", "results.json", "trials.jsonl"):
            assert (search.run / name).read_bytes() == (whole_search.run / name).read_bytes(), name


def lose_a_worker_and_the_command(search) -> dict[str, list[bytes]]:
    """The rows that were committed when the command was killed; its trial had gone on after the loss of its worker."""
    process = search.start()
    search.wait_for_rows(2, process)
    trial, worker = search.worker(process)
    priority = [os.getpriority(os.PRIO_PROCESS, each) for each in (process.pid, worker)]
    assert priority[0] == priority[1], "a trial beside busy programs would stand still"
    os.kill(worker, signal.SIGKILL)
    search.wait_for_rows(search.count() + 3, process)
    process.send_signal(signal.SIGKILL)
    _, errors = search.end(process)
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    assert "error[" not in errors
    assert ledger.read(search.run).trials[trial].status != "failed"
    return search.rows()
