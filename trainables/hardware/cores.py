"""How many cores this process may use. Everything that counts cores asks here."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from trainables.hardware import cgroup


def usable() -> int:
    """Cores of its affinity (a job of SLURM, taskset), or fewer if a container's quota is of fewer; at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(cores, quota())))


def quota(mount: Path = cgroup.MOUNT, own: Path = cgroup.OWN) -> float:
    """Cores' worth of time that the control groups of this process allow, such as 0.5; infinite where there is no limit."""
    return min(quotas(mount, own), default=math.inf)


def quotas(mount: Path, own: Path) -> Iterator[float]:
    for _, text in cgroup.read("cpu", "cpu.max", mount, own):
        spent, _, period = text.partition(" ")
        yield from share(spent, period)
    for folder, spent in cgroup.read("cpu", "cpu.cfs_quota_us", mount, own):
        periods = dict(cgroup.read("cpu", "cpu.cfs_period_us", mount, own))
        yield from share(spent, periods.get(folder, ""))


def share(spent: str, period: str) -> Iterator[float]:
    """Microseconds of each period as cores; none for "max" and "-1"."""
    if spent.isdecimal() and period.isdecimal() and int(period):
        yield int(spent) / int(period)
