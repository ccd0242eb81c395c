"""What a command costs, with every process that it starts: wall time, CPU time, peak memory. Read from /proc (Linux).

Processes are found by their parents and stay known when they lose them, as the daemons of Ray do. CPU time is what each used
when it was last seen; memory is the sum of proportional set sizes, in which a page shared by n processes counts 1/n in each.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOK, WEIGH = 0.2, 1.0  # seconds between two looks at CPU time, and at memory, which takes longer to read
PATIENCE = 20.0  # seconds to wait for what a command has left running
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Seconds of wall and of CPU time, and bytes at the peak."""

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
        """Find new descendants and read the CPU time of all."""
        table = processes()
        self.alive &= table.keys()
        while born := {pid for pid, (parent, _) in table.items() if parent in self.alive} - self.alive:
            self.alive |= born
        self.seconds |= {pid: table[pid][1] for pid in self.alive}

    def weigh(self) -> None:
        """Read the memory of all."""
        self.peak = max(self.peak, sum(map(proportional_size, self.alive)))


def processes() -> dict[int, tuple[int, float]]:
    """Of every process that has not ended: its parent, and the seconds of CPU that it has used."""
    found = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 (five times a second)
        if entry.isdigit() and (stat := read(f"/proc/{entry}/stat")):
            state, parent, *others = stat.rpartition(")")[2].split()
            if state not in "ZX":
                found[int(entry)] = int(parent), (int(others[9]) + int(others[10])) / TICKS
    return found


def proportional_size(pid: int) -> int:
    """Bytes; 0 if the process has ended."""
    lines = read(f"/proc/{pid}/smaps_rollup").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def read(path: str) -> str:
    """The text of a file under /proc; empty if its process has just ended."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def watched(command: Sequence[str], environment: Mapping[str, str]) -> tuple[Cost, str]:
    """Run a command and return its cost and what it printed; what it has left behind is given time to end, uncounted.

    Raises:
        RuntimeError: it failed; with the last line that it wrote to stderr.
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
    """Look at the process until it ends."""
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
    """Wait until all have ended, so that the next command has the machine for itself."""
    until = time.perf_counter() + PATIENCE
    while tree.alive and time.perf_counter() < until:
        time.sleep(LOOK)
        tree.alive &= processes().keys()
