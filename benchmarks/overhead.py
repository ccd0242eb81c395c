"""Measure the cost of a search besides training: milliseconds for each trial and each report, beside plain Ray Tune.

    python -m benchmarks.overhead --trials 1000

Trials report five times and do nothing. A search of this project runs all its parts (plan, Ray, decisions, ledger, resume
state, weights); only the epoch loop in the worker is replaced by a loop that trains nothing. Plain Ray Tune runs a function
that only reports. Each side runs in its own process. The time from the end of its first tenth of trials to the end of its last
trial is measured, so starting Ray and importing torch do not count. The cost of a report follows from trials with five times as
many reports.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import typer

from benchmarks.record import Table, keep, spread
from search.backend.worker import Job, train_trial
from search.backend.worker import rows_of as training_of
from search.turns import Turn
from trainables.files.durable import Record
from trainables.objective import ACCURACY

REPORTS, MORE = 5, 25
FEWER = 20  # times fewer trials on the side that starts a process for each trial
MANY = 20  # trials at least, so that enough trials follow the first few
SIDES = {
    "floor": "plain Ray Tune with `reuse_actors`, without its loggers and snapshots",
    "ours": "a search of ours without training",
    "unsynced": "the same, never waiting for the disk",
    "loggers": "plain Ray Tune with `reuse_actors`",
    "processes": "plain Ray Tune",
}


def train_nothing(training: Any, *, state: Any = None, **_: Any) -> Iterator[Any]:
    """Stand in for `trainables.training.loop.train`: yield all epochs of a network with one weight, without training."""
    import torch

    from trainables.training.loop import Best, Epoch
    from trainables.training.optimizers import make_optimizer

    config, data = training.config, training.data
    model = torch.nn.Linear(1, 1, bias=False)
    optimizer = make_optimizer(config, model)
    weights = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    best = Best(1, 0.1, torch.zeros(len(data.val.labels), dtype=torch.int64), weights)
    metrics = {"train_loss": 2.3, "train_accuracy": 0.1, "val_loss": 2.3, "val_accuracy": 0.1, "lr": 0.1}
    for epoch in range(1 + (state["epoch"] if state else 0), config["epochs"] + 1):
        yield Epoch({"epoch": epoch, **metrics}, best, model, optimizer, "cpu", ACCURACY)


def trial_without_training(job: Job, turn: Turn, report: Callable[[Record], None]) -> None:
    """Stand in for `search.backend.worker.train_trial`: run a trial whose epochs train nothing."""
    from search.backend import worker
    from trainables.trial.rows import NetworkRows

    with mock.patch.object(worker, "rows_of", lambda *given: NetworkRows(training_of(*given), train_nothing)):
        train_trial(job, turn, report)


def trial_without_waiting(job: Job, turn: Turn, report: Callable[[Record], None]) -> None:
    """Run a trial whose epochs train nothing and whose writes never wait for the disk."""
    os.fsync = lambda descriptor: None
    trial_without_training(job, turn, report)


def ours(place: Path, trials: int, reports: int, is_synced: bool) -> list[float]:
    """Run a search of this project; return the times at which trials ended."""
    import spaces
    from search import attempts
    from search.backend import session
    from search.faults import interrupts
    from search.run import opening
    from search.settings import Settings
    from trainables.data import loading
    from trainables.files import durable

    session.train_trial = trial_without_training if is_synced else trial_without_waiting
    ends: list[float] = []
    space, _ = spaces.changed(spaces.load("mlp_random"), ("width=8", "depth=1"))
    cache = loading.prepare("digits", place / "data", progress=False)
    settings = Settings(
        space_name="mlp_random", space=space, dataset="digits", dataset_short="digits", fallback=None, cache=cache,
        algorithm="random", scheduler="none", num_samples=trials, epochs=reports, precision="fp32", runs_dir=place,
    )  # fmt: skip
    run = place / settings.run_name
    durable.make_folder(run, 0o700)
    opening.open_run(run, settings, loading.load(cache), False)

    def notify(index: int, row: Record | None) -> None:
        if row is None:
            ends.append(time.perf_counter())

    attempts.train(run, settings, interrupts.Interrupts("interrupted"), notify)
    return ends


def theirs(place: Path, trials: int, reports: int, reuse: bool, loggers: bool) -> list[float]:
    """Run plain Ray Tune; return the times at which trials ended."""
    if not loggers:
        os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "TUNE_GLOBAL_CHECKPOINT_S": "1000000"}  # as ours does
    import ray
    from ray import tune

    ends: list[float] = []

    class Clock(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            ends.append(time.perf_counter())

    def trial(config: dict[str, Any]) -> None:
        for epoch in range(reports):
            tune.report({"epoch": epoch, "val_accuracy": 0.1})

    ray.init(include_dashboard=False, log_to_driver=False)
    tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space={"lr": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(num_samples=trials, reuse_actors=reuse),
        run_config=tune.RunConfig(storage_path=str(place), verbose=0, callbacks=[Clock()]),
    ).fit()
    return ends


def run_side(name: str, place: Path, trials: int, reports: int) -> list[float]:
    """Run one side in this process; return the times at which trials ended."""
    if name in ("ours", "unsynced"):
        return ours(place, trials, reports, name == "ours")
    return theirs(place, trials, reports, name != "processes", name != "floor")


def milliseconds(name: str, trials: int, reports: int) -> float:
    """The milliseconds of one trial of a side, which runs in its own process."""
    with tempfile.TemporaryDirectory(dir=".", prefix="bench-") as folder:  # a real disk; a temporary one may be memory
        command = [sys.executable, "-m", "benchmarks.overhead", "--side", name, "--trials", str(trials)]
        command += ["--reports", str(reports), "--place", str(Path(folder).resolve())]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    ends = json.loads(done.stdout.splitlines()[-1])
    first = max(2, len(ends) // 10)
    return 1000 * (ends[-1] - ends[first]) / (len(ends) - 1 - first)


def measure(trials: int = 200, rounds: int = 2) -> Table:
    """Measure every side in turn, with few and with many reports; return the table."""
    counts = {name: max(MANY, trials // (FEWER if name == "processes" else 1)) for name in SIDES}
    few: dict[str, list[float]] = {name: [] for name in SIDES}
    many: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(rounds):
        for name, count in counts.items():
            few[name].append(milliseconds(name, count, REPORTS))
            if name != "processes":  # starting a process takes a hundred times as long as a report
                many[name].append(milliseconds(name, max(MANY, count // 5), MORE))
    above = [ours - floor for ours, floor in zip(few["ours"], few["floor"], strict=True)]
    return Table(
        name="overhead",
        title="What a search costs besides training",
        command=f"python -m benchmarks.overhead --trials {trials} --rounds {rounds}",
        columns=["", "trials", f"a trial of {REPORTS} reports", "one more report", "beside the first row"],
        rows=[row(name, counts[name], few, many) for name in SIDES],
        aim="under 15 ms a trial above Ray's own floor.",
        reached=f"{spread(above, 'ms', 1)} above the first row.",
        notes="Trials that do nothing, two slots; from the end of the first tenth of them to the last. What journal and "
        "resume states are of an epoch that trains: `python -m benchmarks.durability`.",
    )


def row(name: str, count: int, few: Mapping[str, list[float]], many: Mapping[str, list[float]]) -> list[str]:
    """The table row of one side."""
    report = [(more - less) / (MORE - REPORTS) for less, more in zip(few[name], many[name], strict=False)]
    ratios = [ours / floor for ours, floor in zip(few[name], few["floor"], strict=True)]
    one_more = spread(report, "ms", 2) if report else ""
    return [SIDES[name], f"{count:,}", spread(few[name], "ms", 1), one_more, spread(ratios, "x", 1)]


def main(
    trials: Annotated[int, typer.Option(help=f"of each side but the last one, which has 1/{FEWER}")] = 200,
    rounds: Annotated[int, typer.Option(help="of all sides in turn")] = 2,
    side: Annotated[str | None, typer.Option(hidden=True)] = None,
    reports: Annotated[int, typer.Option(hidden=True)] = REPORTS,
    place: Annotated[Path, typer.Option(hidden=True)] = Path(),
) -> None:
    """Measure, print and keep the table."""
    if side is None:
        keep(measure(trials, rounds))
    else:
        print(json.dumps(run_side(side, place, trials, reports)))


if __name__ == "__main__":
    from benchmarks import overhead  # workers must find what they import by its name

    typer.run(overhead.main)
