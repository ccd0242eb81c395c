"""The number of cores that this process may use, for everything that counts cores."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from trainables.hardware import cgroup


def usable() -> int:
    """The cores of this process's affinity (SLURM, taskset), or its container's CPU quota if lower; at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(cores, quota())))


def quota(mount: Path = cgroup.MOUNT, own: Path = cgroup.OWN) -> float:
    """The CPU time that this process's control groups allow, in cores, such as 0.5; infinite if there is no limit."""
    return min(quotas(mount, own), default=math.inf)


def quotas(mount: Path, own: Path) -> Iterator[float]:
    for _, text in cgroup.read("cpu", "cpu.max", mount, own):
        spent, _, period = text.partition(" ")
        yield from share(spent, period)
    for folder, spent in cgroup.read("cpu", "cpu.cfs_quota_us", mount, own):
        periods = dict(cgroup.read("cpu", "cpu.cfs_period_us", mount, own))
        yield from share(spent, periods.get(folder, ""))


def share(spent: str, period: str) -> Iterator[float]:
    """Yield a quota in cores, from microseconds of CPU time in each period; nothing for "max" and "-1"."""
    if spent.isdecimal() and period.isdecimal() and int(period):
        yield int(spent) / int(period)
