"""The process that measures, and the one that starts it again when it dies: see this package."""

import argparse
import itertools
import os
import platform
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.session import accuracy, bits, command, controls, hazards, memory, pace, points, resumed, shortage
from benchmarks.session.journal import Journal, Measurement
from benchmarks.session.setting import Setting
from trainables.hardware.precision import resolve

GRACE = {
    "cuda": 60.0,
    "cpu": 1800.0,
}  # seconds that a measurement may take beyond six times what it was thought to take
LAST = 3.0  # seconds of the budget that are kept for the end


def main(arguments: list[str] | None = None) -> None:
    """Supervise the measurements: start a process that measures, and start a new one when it has died, within the budget."""
    asked = parsed(arguments)
    if asked.measure:
        measure(asked)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and so end the process that measures
    journal = Journal(asked.out)
    asked_for = shlex.join(["python", "-m", "benchmarks.gpu", "--session", *(arguments or sys.argv[1:])])
    journal.begin(what="a sitting on a GPU", command=asked_for, budget=asked.budget)
    while journal.left > LAST and not journal.document.get("is_over"):
        before = len(journal.document["done"])
        code = supervised(asked, arguments or sys.argv[1:])
        journal = Journal(asked.out)
        if journal.document.get("is_over"):
            break
        name = (journal.document["running"] or {"name": "between two measurements"})["name"]
        journal.document["running"] = None
        journal.add_row({"part": "process", "case": name, "error": f"the process that measures ended with {code}"})
        if len(journal.document["done"]) == before:
            break
    journal.end()
    print(f"{len(journal.document['rows'])} rows in {asked.out}", file=sys.stderr)


def supervised(asked: argparse.Namespace, arguments: list[str]) -> int | str:
    """Run one process that measures; return its exit code, or the reason why it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.session", "--measure", *arguments], start_new_session=True
    )
    try:
        while process.poll() is None:
            time.sleep(0.2)
            document = Journal(asked.out).document
            running = document["running"]
            if time.time() > document["began"] + document["budget"]:
                return "a kill: the budget is used up"
            if running and time.time() > running["since"] + 6 * running["seconds"] + GRACE[asked.device]:
                return "a kill: it hung"
        return process.returncode
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measure(asked: argparse.Namespace) -> None:
    """Measure everything that was not measured before, in this process."""
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")
    from benchmarks.gpu import images_of

    if asked.device == "cpu":
        torch.set_num_threads(1)
    journal = Journal(asked.out)
    journal.document["machine"] = machine(asked.device)
    images = images_of(asked.dataset, asked.data_dir, asked.images)
    with tempfile.TemporaryDirectory(prefix="session-") as folder:
        precision = resolve(asked.precision, asked.device == "cuda")
        dataset = "digits" if asked.dataset == "random" else asked.dataset  # a search has no images of noise
        setting = Setting(asked.device, precision, images, asked.small, Path(folder), dataset, asked.data_dir.resolve())
        wanted = [each for each in measurements(setting) if not asked.part or each.part in asked.part]
        journal.plan(wanted)
        for measurement in wanted:
            journal.measure(measurement)
            if not works(asked.device):
                sys.exit("the GPU does not answer in this process any more")
    journal.end()


def end_with(parent: int) -> None:
    """End this process and those that it started as soon as its parent has been killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(0, signal.SIGKILL)


def measurements(setting: Setting) -> Iterator[Measurement]:
    """All measurements, the most valuable first."""
    yield from itertools.chain(
        bits.measurements(setting), pace.alone(setting), pace.together(setting), points.measurements(setting),
        command.measurements(setting), hazards.measurements(setting), controls.measurements(setting),
        resumed.measurements(setting), shortage.measurements(setting), memory.measurements(setting),
        accuracy.measurements(setting), points.profiled(setting), points.wider(setting), controls.dangerous(setting),
    )  # fmt: skip


def works(device: str) -> bool:
    """Whether this process can still use the GPU; memory that torch caches is released."""
    try:
        if device == "cuda":
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
    except RuntimeError:
        return False
    return True


def machine(device: str) -> dict[str, object]:
    """The versions, the cores and the GPU of this machine, and settings of CUDA in the environment."""
    found: dict[str, object] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cores": os.cpu_count(),
    }
    if device == "cuda":
        facts = torch.cuda.get_device_properties(0)
        found |= {
            "gpu": facts.name, "gib": facts.total_memory >> 30, "multiprocessors": facts.multi_processor_count,
            "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
        }  # fmt: skip
    return found | {name: os.environ.get(name) for name in ("CUDA_DEVICE_MAX_CONNECTIONS", "CUBLAS_WORKSPACE_CONFIG")}


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="seconds, the start included")
    parser.add_argument("--out", type=Path, required=True, help="file for the rows, one JSON document")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--dataset", default="random", help="folder:PATH, or random")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--images", type=int, help="of the training images [all]")
    parser.add_argument("--precision", default="auto", choices=("auto", "bf16", "fp32"))
    parser.add_argument(
        "--part",
        action="append",
        help="bits, speed, slots, search, textbook, command, hazards, controls, resume, faults, memory, accuracy, profile [all]",
    )
    parser.add_argument("--small", action="store_true", help="tiny numbers, to try it out")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.out.exists() and not asked.measure:
        parser.error(f"{asked.out} exists, and its rows would be lost. Name another file.")
    return asked


if __name__ == "__main__":
    main()
