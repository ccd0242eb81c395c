"""timing.jsonl of a trial: what a clock said of each epoch, where it ran, and notes. Everything in it may differ between two
identical runs, and a power cut may spoil it, because its lines are not synced.
"""

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from trainables.errors import RunError
from trainables.files import durable
from trainables.files.durable import Record


def note(folder: Path, record: Record) -> None:
    """Add a line."""
    durable.append(folder / "timing.jsonl", record, sync=False)


def epoch_line(epoch: int, seconds: float, images: int, device: str) -> Record:
    """What a clock says of an epoch; own training has no images."""
    speed = {"images_per_second": round(images / max(seconds, 1e-9), 1)} if images else {}
    return {
        "epoch": epoch,
        "seconds": round(seconds, 4),
        **speed,
        "host": socket.gethostname(),
        "device": device,
        **(gpu() if device == "cuda" else {}),
    }


def gpu() -> Record:
    """What the bits of a product depend on besides the versions of libraries: the kind of GPU, how many multiprocessors of it
    this process has, and the workspace of cuBLAS, if the environment sets it. Nothing where this process uses no GPU.
    """
    torch = sys.modules.get("torch")  # a search reads these files without it
    if not torch or not torch.cuda.is_initialized():
        return {}
    facts = torch.cuda.get_device_properties(torch.cuda.current_device())
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    told = {"gpu": facts.name, "multiprocessors": facts.multi_processor_count}
    return told | ({"cublas_workspace": workspace} if workspace else {})


def note_repeated(folder: Path, again: Record) -> None:
    """Note an epoch that was trained again and came out differently."""
    note(folder, {"note": "repeated epoch differs; the committed row stands", "again": again})


def repeated(folder: Path) -> set[int]:
    """The epochs that came out differently when they were trained again."""
    found = (line.get("again") for line in lines(folder))
    return {again["epoch"] for again in found if isinstance(again, dict) and "epoch" in again}


def called(folder: Path) -> list[str]:
    """Why its steps were called one by one on a GPU, and not replayed as graphs; empty where they were."""
    return sorted({str(line["called"]) for line in lines(folder) if "called" in line})


def cost(folder: Path) -> tuple[int | None, int | None]:
    """Parameters and FLOPs of the network of a trial, where they were noted: those of a user's own. 0 says that nobody knows."""
    found = [line for line in lines(folder) if {"parameters", "flops"} <= line.keys()]
    return (int(found[-1]["parameters"]) or None, int(found[-1]["flops"]) or None) if found else (None, None)


def devices(folder: Path) -> list[str]:
    """The kinds of device, cpu or cuda, on which epochs of the trial ran, in that order; empty if nothing readable says so."""
    return [str(line["device"]).partition(":")[0] for line in lines(folder) if "device" in line]


def lines(folder: Path) -> Iterator[Record]:
    """All lines, or none if any of them is damaged."""
    with contextlib.suppress(RunError):
        yield from durable.read_lines(folder / "timing.jsonl")
