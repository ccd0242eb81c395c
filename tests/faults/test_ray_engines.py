"""Engines on a cluster of two nodes: pytest tests/faults/test_ray_engines.py"""

import contextlib
import time

import pytest

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
