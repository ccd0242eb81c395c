"""Measure the cost of a command with all processes that it starts: wall and CPU time and peak memory, from /proc (Linux).

A process is found by its parent, and stays known after it has lost its parent, as Ray's daemons do. The CPU time is the sum of
the times that each process had used when it was last seen. The memory is the sum of proportional set sizes, in which a page
shared by n processes counts 1/n in each.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOK, WEIGH = 0.2, 1.0  # seconds between readings of CPU time, and of memory, which takes longer to read
PATIENCE = 20.0  # seconds to wait for processes that a command has left running
TICKS = os.sysconf("SC_CLK_TCK")
# For other tools: a Ray of their own, also where some cluster has left its address in the temporary folder.
ALONE = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": "local"}


@dataclass(frozen=True)
class Cost:
    """The cost of a command: seconds of wall time and of CPU time, and bytes of memory at the peak."""

    wall: float
    cpu: float
    memory: int


class Tree:
    """A process and all its descendants, also those that have ended."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.seconds: dict[int, float] = {}  # of CPU, by process
        self.alive: set[int] = {root}
        self.peak = 0

    def look(self) -> None:
        """Find new descendants and read the CPU time of all living processes."""
        table = processes()
        self.alive &= table.keys()
        while born := {pid for pid, (parent, _) in table.items() if parent in self.alive} - self.alive:
            self.alive |= born
        self.seconds |= {pid: table[pid][1] for pid in self.alive}

    def weigh(self) -> None:
        """Read the memory of all living processes and update the peak."""
        self.peak = max(self.peak, sum(map(proportional_size, self.alive)))


def processes() -> dict[int, tuple[int, float]]:
    """Every process that has not ended, by id: the id of its parent, and the seconds of CPU time that it has used."""
    found = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 (five times a second)
        if entry.isdigit() and (stat := read(f"/proc/{entry}/stat")):
            state, parent, *others = stat.rpartition(")")[2].split()
            if state not in "ZX":
                found[int(entry)] = int(parent), (int(others[9]) + int(others[10])) / TICKS
    return found


def proportional_size(pid: int) -> int:
    """The proportional set size of a process in bytes; 0 if the process has ended."""
    lines = read(f"/proc/{pid}/smaps_rollup").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def read(path: str) -> str:
    """The text of a file under /proc; empty if its process has just ended."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def watched(command: Sequence[str], environment: Mapping[str, str]) -> tuple[Cost, str]:
    """Run a command; return its cost and its output.

    Processes that the command leaves behind get some time to end, which does not count.

    Raises:
        RuntimeError: the command failed; the message has the last line of its stderr.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=errors, env={**os.environ, **environment})
        tree = follow(process)
        wall = time.perf_counter() - started
        settle(tree)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            last = (errors.read().strip().splitlines() or ["it said nothing"])[-1]
            raise RuntimeError(f"exit code {process.returncode}: {last}")
        return Cost(wall, sum(tree.seconds.values()), tree.peak), out.read()


def follow(process: subprocess.Popen) -> Tree:
    """Measure a process and its descendants until the process ends."""
    tree, weighed = Tree(process.pid), 0.0
    while True:
        tree.look()
        if time.perf_counter() - weighed > WEIGH:
            tree.weigh()
            weighed = time.perf_counter()
        try:
            process.wait(LOOK)
        except subprocess.TimeoutExpired:
            continue
        return tree


def settle(tree: Tree) -> None:
    """Wait until all processes have ended, at most PATIENCE, so that the next command has the machine for itself."""
    until = time.perf_counter() + PATIENCE
    while tree.alive and time.perf_counter() < until:
        time.sleep(LOOK)
        tree.alive &= processes().keys()
