"""Workers that die, hang or freeze under Ray: their trials go on, and who is blamed has earned it."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from search.run import ledger

pytestmark = pytest.mark.integration


def outcomes(search):
    return {
        trial.index: (trial.status, (trial.outcome or {}).get("error", "")) for trial in ledger.read(search.run).trials
    }


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(search, check):
    """Two kills of the same trial, with an epoch in between; it goes on from its last epoch within the same search."""
    process = search.start()
    for rows in (2, 5):
        search.wait_for_rows(rows, process)
        os.kill(search.worker(process)[1], signal.SIGKILL)
    code, errors = search.end(process)
    assert (code, errors.count("error[")) == (0, 0), (errors, search.log())
    check(search)


@pytest.mark.slow
def test_a_worker_that_dies_again_and_again_with_no_other_trial_to_compare_ends_the_search(search, check):
    """Nobody can tell the machine from the configuration then, so nobody is blamed."""
    search.inject("exit", lr=1e-3)
    code, errors = search.done("--num-samples", 1)
    assert code == 8, (errors, search.log())
    assert errors.startswith("error[ray]: worker lost repeatedly: ")
    assert errors.count("\n") == 1
    assert outcomes(search) == {0: ("running", "")}
    search.inject("nothing")
    assert search.done("--num-samples", 3)[0] == 0
    check(search)


@pytest.mark.slow
def test_a_configuration_that_ends_its_process_fails_alone(search, check):
    search.inject("segfault")
    code, errors = search.done()
    assert code == 1, (errors, search.log())
    status = outcomes(search)
    assert [status[trial][0] for trial in range(3)] == ["finished", "failed", "finished"]
    assert status[1][1].startswith("worker died: ")
    assert "worker died" in (search.run / "results.md").read_text()
    search.inject("nothing")
    assert search.done("--retry-failed")[0] == 0
    check(search)


@pytest.mark.slow
@pytest.mark.parametrize(("what", "blamed"), [("cuda", "worker died: "), ("gpu memory", "out of memory: the GPU")])
def test_what_upsets_its_gpu_twice_fails_alone(search, check, what, blamed):
    """The first time it may be the fault of whoever shares the GPU, so it is tried again with nothing beside it."""
    search.inject(what)
    code, errors = search.done()
    assert code == 1, (errors, search.log())
    status = outcomes(search)
    assert [status[trial][0] for trial in range(3)] == ["finished", "failed", "finished"]
    assert status[1][1].startswith(blamed)
    search.inject("nothing")
    assert search.done("--retry-failed")[0] == 0
    check(search)


@pytest.mark.slow
def test_a_hung_trial_is_killed_and_the_others_go_on(search, check):
    """The first time it is tried again; the second time at the same epoch it has failed."""
    search.inject("hang")
    code, errors = search.done("--epoch-timeout", 10)
    assert code == 1, (errors, search.log())
    status = outcomes(search)
    assert [status[trial][0] for trial in range(3)] == ["finished", "failed", "finished"]
    assert status[1][1].startswith("no progress: ")
    rows = json.dumps(
        [row.decode() for row in next(rows for name, rows in search.rows().items() if name.startswith("0001-"))]
    )
    assert rows.count("epoch") == 2
    search.inject("nothing")
    assert search.done("--retry-failed")[0] == 0
    check(search)


@pytest.mark.slow
def test_a_frozen_worker_that_wakes_up_does_not_train_a_second_time(search, check):
    """While it is frozen its trial is another's turn only after it was killed; one that wakes up before just goes on."""
    process = search.start("--epoch-timeout", 10)
    search.wait_for_rows(2, process)
    worker = search.worker(process)[1]
    os.kill(worker, signal.SIGSTOP)
    time.sleep(3)
    os.kill(worker, signal.SIGCONT)
    search.wait_for_rows(5, process)
    worker = search.worker(process)[1]
    os.kill(worker, signal.SIGSTOP)  # for good: nobody but the watchdog ends it
    code, errors = search.end(process)
    assert code == 0, (errors, search.log())
    assert not Path(f"/proc/{worker}").exists()
    check(search)
