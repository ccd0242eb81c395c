"""timing.jsonl of a trial: the seconds and the device of each epoch, and notes.

Its lines may differ between two identical runs. A power cut may damage the file, because its lines are not synced.
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
    """Append a record to timing.jsonl of a trial."""
    durable.append(folder / "timing.jsonl", record, sync=False)


def epoch_line(epoch: int, seconds: float, images: int, device: str) -> Record:
    """The line of an epoch: seconds, images per second, host and device; no speed if `images` is 0, as in own training."""
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
    """Facts about the GPU on which the bits of a matrix product depend; empty if this process uses no GPU.

    They are the kind of GPU, the number of its multiprocessors that this process has, and the workspace of cuBLAS if the
    environment sets one. The bits also depend on the versions of libraries, which are not noted here.
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
    """The numbers of the epochs that came out differently when they were trained again."""
    found = (line.get("again") for line in lines(folder))
    return {again["epoch"] for again in found if isinstance(again, dict) and "epoch" in again}


def called(folder: Path) -> list[str]:
    """The noted reasons why a GPU called the trial's steps one by one instead of replaying graphs; empty without a note."""
    return sorted({str(line["called"]) for line in lines(folder) if "called" in line})


def cost(folder: Path) -> tuple[int | None, int | None]:
    """The noted parameters and FLOPs of a trial's network, as of a user's own; None without a note or for a noted 0."""
    found = [line for line in lines(folder) if {"parameters", "flops"} <= line.keys()]
    return (int(found[-1]["parameters"]) or None, int(found[-1]["flops"]) or None) if found else (None, None)


def devices(folder: Path) -> list[str]:
    """The kind of device, cpu or cuda, of each epoch line of timing.jsonl, in order; empty if the file is damaged."""
    return [str(line["device"]).partition(":")[0] for line in lines(folder) if "device" in line]


def lines(folder: Path) -> Iterator[Record]:
    """All records of timing.jsonl, or none if a line is damaged."""
    with contextlib.suppress(RunError):
        yield from durable.read_lines(folder / "timing.jsonl")
