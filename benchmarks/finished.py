"""Measure a finished search of many trials: the seconds to run its command again, and its size on disk.

    python -m benchmarks.finished --trials 1000

The trials are real but tiny (a network of 8 features, 3 epochs on a tenth of the digits). They are trained here one after the
other, without Ray, so the command finds nothing to train. The same command is measured for a run of 3 trials. The difference
between the two runs is the cost of the other trials.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import record
from benchmarks.record import Table, spread

ROOT = Path(__file__).parent.parent
SEARCH = (
    "--space", "mlp_random", "--set", "width=8", "--set", "depth=1", "--dataset", "digits", "--fraction", "0.1", "--epochs", "3",
    "--scheduler", "none", "--precision", "fp32", "--quiet",
)  # fmt: skip


def train_all(folder: Path, trials: int) -> Path:
    """Train in this process the run that the command would make; return the run's folder."""
    import spaces
    from search.run import ledger
    from search.run import opening as folders
    from search.settings import Settings
    from trainables.data import loading
    from trainables.files import durable
    from trainables.training.definition import Training
    from trainables.trial import checkpointing

    texts = ("width=8", "depth=1")
    space, _ = spaces.changed(spaces.load("mlp_random"), texts)
    cache = loading.prepare("digits", folder / "data", progress=False)
    images = loading.load(cache, fraction=0.1)
    settings = Settings(
        space_name="mlp_random", space=space, set=texts, dataset="digits", dataset_short="digits", fallback=None, cache=cache,
        algorithm="random", scheduler="none", num_samples=trials, epochs=3, fraction=0.1, precision="fp32",
    )  # fmt: skip
    run = folder / "runs" / f"many-{trials}"
    durable.make_folder(run, 0o700)
    for planned in folders.open_run(run, settings, images, False).trials:
        for _ in checkpointing.run(
            planned.folder, Training(planned.config, images, seed=planned.seed, device="cpu", precision="fp32")
        ):
            pass
    folders.prune_weights(ledger.read(run), keep=5)
    return run


def again(run: Path, trials: int) -> float:
    """The seconds that the search's command takes when nothing is left to train."""
    command = [sys.executable, str(ROOT / "run_search.py"), *SEARCH, "--num-samples", str(trials), "--name", run.name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    subprocess.run(command, cwd=run.parents[1], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def measure(trials: int, repeat: int) -> Table:
    """Train both runs and run the command again; its first time, in which it draws the plots, has its own column."""
    rows = []
    with tempfile.TemporaryDirectory(dir=".") as place:
        for count in (3, trials):
            run = train_all(Path(place).resolve(), count)
            first, *others = (again(run, count) for _ in range(repeat + 1))
            size = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
            disk = [f"{size / 2**20:.1f} MiB", f"{size / count / 2**10:.0f} KiB"]
            rows.append([f"{count}", f"{first:.2f} s", spread(others), *disk])
    return Table(
        "finished", "A finished search, run again", f"python -m benchmarks.finished --trials {trials} --repeat {repeat}",
        ["trials", "first, with plots", "again", "disk", "a trial"], rows,
        "1,000 finished trials in under 2 s.", f"{rows[-1][2]} for {trials:,} trials.",
        "Tiny trials (8 features); a finished MLP of `lr_sweep` keeps 72 MiB (its last state and its weights).",
    )  # fmt: skip


def main(trials: Annotated[int, typer.Option()] = 1000, repeat: Annotated[int, typer.Option()] = 3) -> None:
    """Measure, print and keep the table."""
    record.keep(measure(trials, repeat))


if __name__ == "__main__":
    typer.run(main)
