"""Checks the system's limits before Ray starts: where a limit is too low, Ray aborts or names an empty log.

The numbers are what a search with two trials at once was seen to need; see docs/findings.md. A soft limit is raised where the
hard limit allows.
"""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from trainables.errors import RayError, StorageError
from trainables.hardware import cgroup

FEW_FILES, MANY_FILES = 512, 65536  # open at a time: the least that is worth trying, and what is asked for
THREADS, THREADS_EACH = 145, 25  # of a search and its Ray, and of each trial at once
PRIVATE = 2 << 30  # bytes of a trial's process that are its own
ADDRESSES = 4480 << 20  # bytes of addresses of a process beside the store of Ray, which each of them maps
STORE, LARGEST_STORE = 0.3, 200 * 10**9  # share of the memory that Ray takes for it, and bytes at most
GIB = 1 << 30
HARD = "Only an administrator or the batch system can raise this hard limit: {}."  # the next step


def check(trials: int | None) -> None:
    """Check that the limits of this process are high enough for a search; raise soft limits that are too low.

    Args:
        trials: number of trials at once on this machine; None if they run on a cluster.

    Raises:
        StorageError: too few open files.
        RayError: too few processes or too little memory, with the limit and what raises it.
    """
    check_files()
    if trials is not None:
        for which, need, name, command in of_memory():
            check_memory(which, need, name, command)
        check_threads(THREADS + THREADS_EACH * trials)


def check_files() -> None:
    """Raise the soft limit of open files to MANY_FILES, as far as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, MANY_FILES)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if max(soft, allowed) < FEW_FILES:
        raise StorageError(
            f"too few open files: this process: it may open {allowed}, and Ray needs {FEW_FILES}. "
            f"{HARD.format(f'ulimit -Hn {MANY_FILES}')}"
        )


def of_memory() -> Iterator[tuple[int, int, str, str]]:
    """Yield for each limit of memory: its constant, the bytes needed, what it limits, and the shell command for it."""
    yield resource.RLIMIT_AS, store() + ADDRESSES, "addresses (virtual memory)", "ulimit -Hv"
    yield resource.RLIMIT_DATA, PRIVATE, "memory of its own", "ulimit -Hd"
    yield resource.RLIMIT_FSIZE, store(), "the size of a file", "ulimit -Hf"


def check_memory(which: int, need: int, name: str, command: str) -> None:
    """Raise a soft limit that is lower than `need` to `need` bytes.

    Raises:
        RayError: the hard limit is lower than `need`.
    """
    soft, hard = resource.getrlimit(which)
    if soft == resource.RLIM_INFINITY or soft >= need:
        return
    if hard == resource.RLIM_INFINITY or hard >= need:
        resource.setrlimit(which, (need, hard))
        return
    raise RayError(
        f"too little memory: this process: {name} is limited to {max(soft, hard) / GIB:.1f} GiB, and Ray needs about "
        f"{need / GIB:.1f} GiB here. {HARD.format(f'{command} unlimited')}"
    )


def store() -> int:
    """Bytes of shared memory that Ray will map: a share of the machine's memory; 0 without /dev/shm."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        shared = os.statvfs("/dev/shm")
    except OSError:  # macOS
        return 0
    return int(min(STORE * memory, LARGEST_STORE, shared.f_frsize * shared.f_blocks))


def check_threads(need: int) -> None:
    """Check that `need` more threads may be started; threads count as processes for users and for containers.

    Raises:
        RayError: a limit leaves fewer threads.
    """
    for room, where, raised in rooms():
        if room < need:
            raise RayError(
                f"too few processes: {where}: {max(0, room)} more may be started, counting threads, and Ray needs about {need}. "
                f"{HARD.format(raised)}"
            )


def rooms() -> Iterator[tuple[int, str, str]]:
    """Yield for each limit: how many more threads may be started, whose limit it is, and the option that raises it.

    The user's soft limit is raised to the hard limit first.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY and os.getuid() != 0:  # which does not hold for root
        resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))
        if hard != resource.RLIM_INFINITY:
            yield hard - threads_of(os.getuid()), "this user", "ulimit -Hu"
    current = dict(cgroup.read("pids", "pids.current"))
    for folder, most in cgroup.read("pids", "pids.max"):
        if most.isdecimal() and current.get(folder, "").isdecimal():
            yield int(most) - int(current[folder]), f"this container or job ({folder})", "--pids-limit of a container"


def threads_of(user: int) -> int:
    """Threads that this user has on this machine; 0 where /proc does not say."""
    return sum(threads for owner, threads in map(status, Path("/proc").glob("[0-9]*/status")) if owner == user)


def status(path: Path) -> tuple[int, int]:
    """The user id of a process and its number of threads; (-1, 0) if the process has ended."""
    try:
        facts = dict(line.split(":", 1) for line in path.read_text(errors="replace").splitlines() if ":" in line)
        return int(facts["Uid"].split()[0]), int(facts["Threads"])
    except (OSError, KeyError, ValueError):
        return -1, 0
