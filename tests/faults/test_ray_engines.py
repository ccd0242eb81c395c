"""Engines that die, hang in one slot, and lie on a cluster of two nodes: pytest tests/faults/test_ray_engines.py"""

import contextlib
import time

import pytest

from search.run import ledger
from tests.faults.test_ray_cluster import TOKEN, address, cluster

pytestmark = [pytest.mark.integration, pytest.mark.slow]
__all__ = ["address", "cluster"]  # fixtures


def processes(search):
    """Who trains just now."""
    found = set()
    for path in search.run.glob("ray/pulses/[0-9]*"):
        with contextlib.suppress(OSError):
            found.add(path.read_text())
    return found


def test_two_nodes_have_an_engine_each_and_the_loss_of_one_costs_no_row(search, check, cluster, address):
    """Its trials go on in an engine that Ray starts again on the node that is left."""
    process, most = search.start("--address", address, "--engine", 2, **TOKEN), set()
    while process.poll() is None and (len(most) < 2 or search.count() < 2):
        most = max(most, processes(search), key=len)
        time.sleep(0.02)
    cluster.stdin.write("lose it\n")
    cluster.stdin.flush()
    code, errors = search.end(process)
    assert code == 0, (errors, search.log())
    assert len(most) == 2
    check(search)


@pytest.mark.parametrize(("what", "blamed"), [("stuck", "no progress: "), ("exit", "worker died: ")])
def test_a_trial_that_upsets_its_engine_fails_and_the_others_have_their_rows(search, undisturbed, what, blamed):
    """A slot that hangs holds up no other: its engine is killed when nothing else is left in it."""
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
    assert 2 <= log.count(" died, and with it the turns of ") <= 4, "one event for each death"
