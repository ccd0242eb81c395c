"""Measure the start of the program: seconds to the first committed epoch and to the end of --help, beside their floors.

    python -m benchmarks.start --rounds 5

The first epoch is tiny (a network of 8 features, a hundredth of the digits), so the time is mostly spent before the epoch. Its
floor is the time that no search can avoid: Ray's own start, and an import of torch in the worker. Each side is its own process,
measured from the start of its command; the sides take turns.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.record import Table, keep, spread

ROOT = Path(__file__).parent.parent
SEARCH = (
    str(ROOT / "run_search.py"), "--space", "lr_sweep", "--set", "width=8", "--set", "depth=1", "--dataset", "digits",
    "--fraction", "0.01", "--num-samples", "1", "--epochs", "1", "--scheduler", "none", "--quiet",
)  # fmt: skip
TUNE = """
import sys, ray
from ray import tune
def trial(config):
    import torch
    open(sys.argv[1], "w").close()
    tune.report({"epoch": 1})
ray.init(include_dashboard=False, log_to_driver=False)
tune.Tuner(tune.with_resources(trial, {"cpu": 1}), run_config=tune.RunConfig(storage_path=sys.argv[2], verbose=0)).fit()
"""
RAY, TORCH = "import ray; ray.init(include_dashboard=False, log_to_driver=False)", "import torch"
LOOK_EVERY = 0.01  # seconds between looks for the first row
SIDES = {
    "epoch": "run_search.py, to its first committed epoch",
    "tune": "plain Ray Tune, to the first report of a trial that imports torch",
    "ray": "`import ray; ray.init()`",
    "torch": "`import torch`",
    "help": "run_search.py --help",
    "python": "`python -c pass`",
}


def to_end(*command: str) -> float:
    """Run a Python command to its end; return the seconds that it took."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True, env=environment())
    return time.perf_counter() - started


def to_file(folder: Path, pattern: str, *command: str) -> float:
    """Run a Python command to its end; return the seconds until a file that matches `pattern` was in the folder.

    Raises:
        CalledProcessError: the command failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not any(folder.glob(pattern)) and process.poll() is None:
        time.sleep(LOOK_EVERY)
    seconds = time.perf_counter() - started
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command)
    return seconds


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def seconds(name: str, data_dir: Path) -> float:
    """The seconds of one side in one run."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        if name == "epoch":
            return to_file(folder, "runs/*/trials/*/epochs.jsonl", *SEARCH, "--data-dir", str(data_dir))
        if name == "tune":
            return to_file(folder, "reported", "-c", TUNE, str(folder / "reported"), str(folder / "ray"))
        commands = {"ray": ("-c", RAY), "torch": ("-c", TORCH), "help": (SEARCH[0], "--help"), "python": ("-c", "pass")}
        return to_end(*commands[name])


def measure(rounds: int = 5, data_dir: Path = Path("data")) -> Table:
    """Measure the sides in turn and return the table; the first round is not counted, because it fills the disk's cache."""
    from trainables.data import loading

    loading.prepare("digits", data_dir, progress=False)  # decoded once, whoever asks
    found: dict[str, list[float]] = {name: [] for name in SIDES}
    for number in range(rounds + 1):
        for name in SIDES:
            taken = seconds(name, data_dir.resolve())
            if number:
                found[name].append(taken)
    above = [
        epoch - ray - torch for epoch, ray, torch in zip(found["epoch"], found["ray"], found["torch"], strict=True)
    ]
    return Table(
        name="start",
        title="Start",
        command=f"python -m benchmarks.start --rounds {rounds}",
        columns=["from the command to", "seconds"],
        rows=[[title, spread(found[name])] for name, title in SIDES.items()],
        aim="the first epoch after at most Ray's own start, one import of torch and 1 s; `--help` under 0.3 s.",
        reached=f"{spread(above)} above Ray's start and the import; `--help` {spread(found['help'])}.",
    )


def main(
    rounds: Annotated[int, typer.Option(help="that are counted, of all sides in turn")] = 5,
    data_dir: Annotated[Path, typer.Option()] = Path("data"),
) -> None:
    """Measure, print and keep the table."""
    keep(measure(rounds, data_dir))


if __name__ == "__main__":
    typer.run(main)
