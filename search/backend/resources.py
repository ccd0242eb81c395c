"""The resources that a trial gets, and how many trials run at once."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search.settings import Settings
from trainables.errors import UsageError
from trainables.files import durable
from trainables.hardware import cores, nvidia

SPARE = 1 << 20  # bytes that must fit on the disk for a search to begin


@dataclass(frozen=True)
class Resources:
    """CPUs and GPUs of one trial, or of one engine, and the number of trials at once.

    Attributes:
        engines: number of processes that train several trials each; 0 where each trial has a process of its own.
    """

    cpus: int
    gpus: float
    slots: int
    engines: int = 0


def local_cpus() -> int:
    """CPU cores that this process may use; in a SLURM job or a container these may be fewer than the machine has."""
    return cores.usable()


def local_gpus() -> int:
    """Number of NVIDIA GPUs that this process may use, as the driver and CUDA_VISIBLE_DEVICES tell.

    The driver is asked because /proc shows a container the GPUs of others, too.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    present = nvidia.count()
    named = [name for name in (visible or "").split(",") if name.strip() not in ("", "-1", "NoDevFiles")]  # of SLURM
    return present if visible is None else min(present, len(named))


def uses_gpu(settings: Settings) -> bool:
    """Whether trials on this machine train on its GPUs."""
    return local_gpus() > 0 and settings.gpus_per_trial != 0


def check_disk(run: Path) -> None:
    """Check that SPARE bytes can be written to the disk.

    Raises:
        StorageError: the bytes cannot be written; nothing was started yet.
    """
    probe = run / ".probe"
    durable.write(probe, bytes(SPARE))
    probe.unlink()


def local(settings: Settings) -> Resources:
    """Resources of a trial on this machine.

    Raises:
        UsageError: the machine cannot hold one trial; the message says what it has.
    """
    return share(settings, [{"CPU": local_cpus(), "GPU": local_gpus()}])


def share(settings: Settings, nodes: Sequence[dict[str, float]]) -> Resources:
    """Resources of a trial on nodes that offer {"CPU": ..., "GPU": ...}.

    Raises:
        UsageError: no node can hold a trial.
    """
    most_gpus = max((node.get("GPU", 0) for node in nodes), default=0)
    asked = settings.gpus_per_trial
    gpus = asked if isinstance(asked, (int, float)) else float(most_gpus > 0)
    slots = sum(fit(node, settings.cpus_per_trial, gpus) for node in nodes)
    engines = engines_on(settings, nodes, gpus) if settings.engine else 0
    if engines:
        lanes = settings.engine if isinstance(settings.engine, int) else 1  # until it is measured
        most = min(engines * lanes, settings.max_concurrent or engines * lanes)
        return Resources(settings.cpus_per_trial, gpus, most, engines)
    if slots == 0:
        offer = "; ".join(
            f"{units(node.get('CPU', 0), 'CPU')} and {units(node.get('GPU', 0), 'GPU')}" for node in nodes
        )
        lower = "--gpus-per-trial" if gpus > most_gpus else "--cpus-per-trial"
        raise UsageError(
            f"a trial asks for {units(settings.cpus_per_trial, 'CPU')} and {units(gpus, 'GPU')}, but "
            f"{'this machine' if len(nodes) == 1 else 'a node'} has {offer}. Lower {lower}."
        )
    return Resources(settings.cpus_per_trial, gpus, min(slots, settings.max_concurrent or slots))


def units(number: float, unit: str) -> str:
    """A number of CPUs or GPUs, which may be a fraction."""
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def engines_on(settings: Settings, nodes: Sequence[dict[str, float]], gpus: float) -> int:
    """Number of engines on nodes: one per GPU, whatever the cores; without GPUs, one per node with a trial's cores."""
    if gpus:
        return sum(int(node.get("GPU", 0)) for node in nodes)
    return sum(fit(node, settings.cpus_per_trial, 0) > 0 for node in nodes)


def fit(node: dict[str, float], cpus: int, gpus: float) -> int:
    """Number of trials that one node holds at once; a trial has no GPU, one GPU or a fraction of one."""
    by_cpu = int(node.get("CPU", 0) // cpus)
    if gpus == 0:
        return by_cpu
    return min(by_cpu, int(node.get("GPU", 0)) * math.floor(1 / gpus + 1e-9))
