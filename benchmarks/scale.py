"""Measure how planning, resuming, deciding, ending and ranking grow with the number of trials: 100, 1,000 and 10,000.

    python -m benchmarks.scale
    python -m benchmarks.scale --sizes 100,1000 --epochs 5

The search is one of mlp_random with asha. Its plan is a real plan, the rows of its trials are generated, and the search's own
rule takes the decisions. If the cost grows linearly, 1,000 trials of a search of 10,000 take as long as 1,000 trials in
searches of 100.
"""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import typer

import spaces
from analysis.ranking import standing
from analysis.results import page
from benchmarks.leaderboard import curves, rows
from benchmarks.record import Table, keep
from search.run import ledger, opening
from search.run.decisions import of_run
from search.settings import Settings
from search.terminal.progress import Progress
from search.turns import Turns
from trainables.data import loading
from trainables.files import durable
from trainables.files.durable import Record

SIZES = (100, 1_000, 10_000)
ENDINGS = 100  # trials whose end is measured
T = TypeVar("T")
STEPS = {
    "plan": "plan: draw the points, write them down",
    "decide": "decide: asha at each rung, without waiting for the disk",
    "end": "end a trial: read it again",
    "resume": "resume: read the run, check its plan, rebuild rungs and turns",
    "rank": "rank: read the run, intervals, ties",
    "render": "the whole of results.md",
}


@contextlib.contextmanager
def without_waiting() -> Iterator[None]:
    """Replace os.fsync, so that writes do not wait for the disk; the wait for one write does not depend on their number."""
    real, os.fsync = os.fsync, lambda descriptor: None
    try:
        yield
    finally:
        os.fsync = real


def decide(run: ledger.Run, values: np.ndarray) -> list[int]:
    """The number of epochs that each trial trains under the search's rule, if trials run one after the other."""
    decisions = of_run(run)
    return [
        next((epoch for epoch, value in enumerate(curve, 1) if decisions.stops(trial.index, epoch, float(value))), len(curve))
        for trial, curve in zip(run.trials, values, strict=True)
    ]  # fmt: skip


def write_rows(run: ledger.Run, values: np.ndarray, trained: Sequence[int]) -> None:
    """Write the ledger of each trial."""
    for trial, curve, epochs in zip(run.trials, values, trained, strict=True):
        lines: list[Record] = rows(curve[:epochs], trial.config["lr"])
        lines += [{"outcome": "finished"}] if epochs == len(curve) else []
        trial.folder.mkdir(parents=True)
        (trial.folder / "epochs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def settings(place: Path, trials: int, epochs: int) -> Settings:
    """The settings of a search that would train on the digits."""
    return Settings(
        space_name="mlp_random", space=spaces.load("mlp_random"), dataset="digits", dataset_short="digits", fallback=None,
        cache=loading.prepare("digits", place / "data", progress=False), algorithm="random", scheduler="asha",
        num_samples=trials, epochs=epochs, precision="fp32", runs_dir=place,
    )  # fmt: skip


def resume(run: Path, asked: Settings, images: loading.Dataset) -> None:
    """Do what the search's command does with an existing run before Ray starts."""
    found = opening.open_run(run, asked, images, on_gpu=False)
    of_run(found)
    Turns(found)
    Progress(found)


def end(run: ledger.Run) -> None:
    """Do what the search does when a trial has ended, for the last ENDINGS trials of the plan.

    These had their decisions last, and a trial ends soon after its last decision.
    """
    for trial in run.trials[-ENDINGS:]:
        opening.tidy_trial(ledger.reread(run, trial.index))


def measure_size(trials: int, epochs: int) -> dict[str, float]:
    """Measure each step in a search of this size; return the seconds for each 1,000 trials."""
    taken = {}

    def timed(step: str, work: Callable[[], T]) -> T:
        started = time.perf_counter()
        found = work()
        taken[step] = (time.perf_counter() - started) * 1000 / (min(ENDINGS, trials) if step == "end" else trials)
        return found

    with tempfile.TemporaryDirectory(prefix="bench-") as place, without_waiting():
        asked = settings(Path(place), trials, epochs)
        images, path = loading.load(asked.cache), Path(place) / "run"
        durable.make_folder(path)
        run = timed("plan", lambda: opening.open_run(path, asked, images, on_gpu=False))
        values = curves([{"config": trial.config} for trial in run.trials], epochs)
        write_rows(run, values, timed("decide", lambda: decide(run, values)))
        timed("end", lambda: end(run))
        timed("resume", lambda: resume(path, asked, images))
        timed("rank", lambda: standing.stand(ledger.read(path)))
        timed("render", lambda: page.render(ledger.read(path)))
    return taken


def measure(sizes: Sequence[int] = SIZES, epochs: int = 10) -> Table:
    """Measure every step at every size and return the table.

    The first size is measured once before, uncounted, because the first run loads modules that later runs find loaded.
    """
    measure_size(sizes[0], epochs)
    found = {size: measure_size(size, epochs) for size in sizes}
    growth = {step: found[sizes[-1]][step] / found[sizes[0]][step] for step in STEPS}
    worst = max(growth, key=lambda step: growth[step])
    return Table(
        name="scale",
        title="Scale",
        command=f"python -m benchmarks.scale --sizes {','.join(map(str, sizes))} --epochs {epochs}",
        columns=["seconds for 1,000 trials of a search of", *(f"{size:,}" for size in sizes), "last / first"],
        rows=[
            [title, *(f"{found[size][step]:.2f}" for size in sizes), f"{growth[step]:.2f}x"]
            for step, title in STEPS.items()
        ],
        aim=f"linear growth: a trial costs no more among {sizes[-1]:,} than among {sizes[0]:,} (1x).",
        reached=f"at most {growth[worst]:.2f}x ({worst}).",
        notes="Below 1x a fixed cost weighs less among many. One process, generated trials of mlp_random with asha; of TPE each "
        "point costs more the more there are, because it is drawn from all of them.",
    )


def main(
    sizes: Annotated[str, typer.Option(help="numbers of trials, ascending")] = ",".join(map(str, SIZES)),
    epochs: Annotated[int, typer.Option(help="of each trial")] = 10,
) -> None:
    """Measure, print and keep the table."""
    keep(measure([int(size) for size in sizes.split(",")], epochs))


if __name__ == "__main__":
    typer.run(main)
