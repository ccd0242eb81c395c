"""Engines that die, hang in one slot, and lie on a cluster of two nodes: pytest tests/faults/test_ray_engines.py"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.verify.run_folder import verify
from search.run import ledger
from tests import own
from tests.faults.conftest import SWEEP, Search
from tests.faults.test_killed_search import Command, finish
from tests.faults.test_ray_cluster import TOKEN, address, cluster
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.slow]
__all__ = ["address", "cluster"]  # fixtures


def processes(search):
    """Who trains just now."""
    found = set()
    for path in search.run.glob("ray/pulses/[0-9]*"):
        with contextlib.suppress(OSError):
            found.add(path.read_text())
    return found


def used_both(search, process):
    """Whether two processes trained at once, before the search had ended."""
    most = set()
    while process.poll() is None and len(most) < 2:
        most = max(most, processes(search), key=len)
        time.sleep(0.02)
    return len(most) == 2


def test_a_network_of_the_user_s_is_trained_by_an_engine_on_each_of_two_nodes(search, cluster, address, tmp_path):
    """Its code comes from the run. Rows and results are those of the command that trains one trial after another."""
    given = ["--space", own.write(search.folder, "model"), "--num-samples", 8, "--epochs", 6, "--scheduler", "sha"]
    process = search.start(*given, "--address", address, "--engine", 2, **TOKEN)
    assert used_both(search, process), search.end(process)
    code, errors = search.end(process)
    assert code == 0, (errors, search.log())
    alone = [sys.executable, Path(__file__).with_name("alone.py"), *SWEEP, "--name", "t", *map(str, given)]
    environment = {**os.environ, "PYTHONPATH": str(search.source)}
    done = subprocess.run(alone, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("results.md", "decisions.jsonl"):
        assert (search.run / name).read_bytes() == (tmp_path / "runs/t" / name).read_bytes(), name
    assert search.rows() == Search(search.source, tmp_path).rows()
    assert verify(search.run) == []


def test_two_nodes_have_an_engine_each_and_the_loss_of_one_costs_no_row(search, check, cluster, address):
    """Its trials go on in an engine that Ray starts again on the node that is left."""
    process = search.start("--address", address, "--engine", 2, **TOKEN)
    assert used_both(search, process), search.end(process)
    search.wait_for_rows(2, process)
    cluster.stdin.write("lose it\n")
    cluster.stdin.flush()
    code, errors = search.end(process)
    assert code == 0, (errors, search.log())
    check(search)


FAULTS = {"stuck": "no progress: ", "exit": "worker died: ", "cuda": "worker died: ", "gpu memory": "out of memory: "}


@pytest.mark.parametrize(("what", "blamed"), FAULTS.items(), ids=list(FAULTS))
def test_a_trial_that_upsets_its_engine_fails_and_the_others_have_their_rows(search, undisturbed, check, what, blamed):
    """A slot that hangs holds up no other: its engine is killed when nothing else is left in it. Memory that runs out in a slot
    ends no engine: the trial waits, and is tried alone."""
    search.inject(what)
    code, errors = search.done("--engine", 3, "--epoch-timeout", 20)
    assert code == 1, (errors, search.log())
    trials = ledger.read(search.run).trials
    assert [trial.status for trial in trials] == ["finished", "failed", "finished"]
    assert trials[1].outcome["error"].startswith(blamed)
    found = search.rows()
    for name, rows in undisturbed.items():
        assert found[name] == (rows[:2] if name.startswith("0001-") else rows)
    log = (search.run / "ray" / "output.log").read_text()
    deaths = log.count(" died, and with it the turns of ")
    assert deaths == 0 if what == "gpu memory" else 2 <= deaths <= 4, "one event for each death"
    assert verify(search.run) == []
    search.inject("nothing")
    assert search.done("--engine", 3, "--retry-failed")[0] == 0
    check(search)


class InEngines(Command):
    """The search of killed searches, smaller: it grows by trials and seeds in a second command."""

    def __init__(self, folder, scheduler):
        super().__init__(folder, scheduler, seed=0)
        self.line += ["--epochs", "6", "--num-samples", "6"]

    def grow(self):
        self.line += ["--num-samples", "9", "--seeds", "2"]

    def killed(self, rows):
        """Until so many were committed; sixteen trials may be in flight."""
        process = self.start()
        until(
            lambda: sum(each.count(b"\n") for each in self.ledgers().values()) >= rows,
            lambda: process.poll() is not None,
        )
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, ("it ended before it could be killed", errors)
        assert [problem for problem in verify(self.run) if "left behind" not in problem] == []


@pytest.mark.parametrize("scheduler", ["sha", "ladder"])
def test_a_search_in_engines_that_is_killed_and_grows_ends_in_the_bytes_of_processes(tmp_path, scheduler):
    whole, ended = (InEngines(tmp_path / "0" / name, scheduler) for name in ("whole", "ended"))
    ended.line += ["--engine", "16"]
    finish(whole)
    ended.killed(5)
    finish(ended)
    assert ended.content() == whole.content()
    for search in (whole, ended):
        search.grow()
    finish(whole)
    before = sum(each.count(b"\n") for each in ended.ledgers().values())
    ended.killed(before + 5)
    finish(ended)
    assert ended.content() == whole.content()
    assert verify(ended.run) == []
