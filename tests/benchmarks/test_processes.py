"""The cost of a process tree: pytest tests/benchmarks/test_processes.py"""

import os
import sys

import pytest

from benchmarks import processes
from benchmarks.processes import Tree, watched


def looked(monkeypatch, *tables):
    """A tree of process 1 after looking at these tables of (parent, seconds)."""
    tree = Tree(1)
    for table in tables:
        monkeypatch.setattr(processes, "processes", lambda table=table: table)
        tree.look()
    return tree


def test_children_of_children_count_and_strangers_do_not(monkeypatch):
    tree = looked(monkeypatch, {4: (3, 0.5), 3: (1, 2.0), 1: (0, 1.0), 7: (0, 99.0)})
    assert tree.seconds == {1: 1.0, 3: 2.0, 4: 0.5}


def test_a_daemon_that_lost_its_parent_stays_known_and_so_do_its_children(monkeypatch):
    tree = looked(monkeypatch, {1: (0, 1.0), 3: (1, 1.0)}, {3: (0, 2.0), 5: (3, 4.0)})
    assert tree.alive == {3, 5}
    assert sum(tree.seconds.values()) == 1.0 + 2.0 + 4.0


def test_what_ended_processes_used_is_kept(monkeypatch):
    tree = looked(monkeypatch, {1: (0, 1.0), 3: (1, 5.0)}, {1: (0, 2.0)})
    assert sum(tree.seconds.values()) == 7.0


def test_memory_is_the_highest_sum(monkeypatch):
    sizes = iter([{1: 5, 3: 7}, {1: 6, 3: 1}])
    tree = looked(monkeypatch, {1: (0, 1.0), 3: (1, 5.0)})
    for _ in range(2):
        monkeypatch.setattr(processes, "proportional_size", next(sizes).get)
        tree.weigh()
    assert tree.peak == 12


def test_this_process_is_found_with_its_parent_and_memory():
    parent, seconds = processes.processes()[os.getpid()]
    assert parent == os.getppid()
    assert seconds > 0
    assert processes.proportional_size(os.getpid()) > 1 << 20
    assert processes.proportional_size(1 << 30) == 0, "no such process"


def test_a_command_is_watched_with_its_environment_and_output():
    cost, printed = watched([sys.executable, "-c", "import os; print(os.environ['SIDE'])"], {"SIDE": "ours"})
    assert printed == "ours\n"
    assert cost.wall > 0
    assert cost.memory > 0


def test_a_command_that_fails_is_said_with_its_last_line():
    with pytest.raises(RuntimeError, match=r"^exit code 3: it broke$"):
        watched([sys.executable, "-c", "import sys; print('it broke', file=sys.stderr); sys.exit(3)"], {})
