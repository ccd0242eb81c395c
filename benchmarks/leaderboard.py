"""Measure the time to list the trials of a large search, beside Ray's ExperimentAnalysis and an Optuna study in SQLite.

    python -m benchmarks.leaderboard --trials 10000 --epochs 50

All three sides hold the same trials: a run folder of this project, a Ray Tune experiment folder (with the result.json that Tune
writes for each trial) and an Optuna study. Each side lists the trials, best first, in its own process. This project also writes
results.md, the table of all trials and the plots. The table has seconds, the ratio to this project, and the peak memory.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import record
from benchmarks.record import Table, spread
from trainables.config import complete, trial_id

IDENTITY: dict[str, Any] = {
    "schema": 1, "space": "generated", "space_hash": "0", "constants": {"model": "mlp", "schedule": "constant"},
    "space_params": {"lr": "loguniform(1e-05, 0.1)", "dropout": "uniform(0, 0.6)", "depth": "integers(1, 4)"},
    "baseline": {}, "dataset": "digits", "dataset_title": "digits", "fallback": None, "fingerprint": "0" * 64,
    "sizes": {"train": 45000, "val": 5000, "test": 10000}, "classes": [str(digit) for digit in range(10)], "fraction": 1.0,
    "seed": 0, "algorithm": "random", "precision": "fp32", "threads": 1, "code": "0", "versions": {}, "git": None,
    "scheduler": {"name": "none"},
}  # fmt: skip

Costs = dict[str, tuple[float, float]]  # seconds and bytes of each side

RAY = """
import sys, pandas
from ray.tune import ExperimentAnalysis
frame = ExperimentAnalysis(sys.argv[1], default_metric="val_accuracy", default_mode="max").dataframe()
print(frame.sort_values("val_accuracy", ascending=False).head(20)[["trial_id", "val_accuracy"]])
"""
OPTUNA = """
import sys, optuna
study = optuna.load_study(study_name="one", storage="sqlite:///" + sys.argv[1])
print(study.trials_dataframe().sort_values("value", ascending=False).head(20)[["number", "value"]])
"""
MEASURE = """
import resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.perf_counter() - started, usage.ru_maxrss * 1024, code)
"""


def plan(trials: int) -> list[dict[str, Any]]:
    """The lines of a plan of so many trials with different configurations."""
    dice = np.random.default_rng(0)
    rates, drops = 10 ** dice.uniform(-5, -1, trials), dice.uniform(0, 0.6, trials)
    depths = dice.integers(1, 5, trials)
    given = {"model": "mlp", "schedule": "constant"}
    found = []
    for index in range(trials):
        point = {"lr": float(rates[index]), "dropout": float(drops[index]), "depth": int(depths[index])}
        config = {key: value for key, value in complete({**given, **point}).items() if key != "epochs"}
        source = "random" if index else "baseline"
        found.append({"index": index, "id": trial_id(config, 0), "config": config, "seed": 0, "source": source})
    return found


def curves(planned: list[dict[str, Any]], epochs: int) -> np.ndarray:
    """Generated validation accuracies, (trials, epochs), that rise to a value which depends on the learning rate."""
    dice, rates = np.random.default_rng(1), np.array([each["config"]["lr"] for each in planned])
    final = 0.9 - 0.08 * np.abs(np.log10(rates) + 2.5) + dice.normal(0, 0.01, len(rates))
    shape = 1 - 0.7 * np.exp(-np.arange(1, epochs + 1) / (epochs / 6))
    return np.round(np.clip(final[:, None] * shape + dice.normal(0, 0.004, (len(rates), epochs)), 0, 1) * 5000) / 5000


def rows(values: np.ndarray, rate: float) -> list[dict[str, Any]]:
    """The rows of a trial's ledger for its validation accuracies."""
    return [
        {"epoch": epoch, "train_loss": 2.3 * (1 - value) + 1e-7, "train_accuracy": float(value)}
        | {"val_loss": 2.4 * (1 - value) + 1e-7, "val_accuracy": float(value), "lr": rate}
        for epoch, value in enumerate(values, 1)
    ]  # fmt: skip


def write_ours(folder: Path, planned: list[dict[str, Any]], values: np.ndarray) -> None:
    """Write the trials as a run folder of this project."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(IDENTITY))
    totals = {"trials": len(planned), "epochs": values.shape[1], "seeds": 1, "allowed": []}
    (folder / "totals.jsonl").write_text(json.dumps(totals) + "\n")
    (folder / "trials.jsonl").write_text("".join(json.dumps(each) + "\n" for each in planned))
    for each, curve in zip(planned, values, strict=True):
        own = folder / "trials" / f"{each['index']:04d}-{each['id']}"
        own.mkdir(parents=True)
        lines = [*rows(curve, each["config"]["lr"]), {"outcome": "finished"}]
        (own / "epochs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        write_predictions(own / "val.npz", curve, each["index"])


def write_predictions(path: Path, curve: np.ndarray, seed: int) -> None:
    """Write generated predictions of a trial's best epoch, which are right as often as its ledger says."""
    images = IDENTITY["sizes"]["val"]
    dice, labels = np.random.default_rng(seed), (np.arange(images) % 10).astype(np.uint8)
    is_wrong = dice.permutation(images) >= round(curve.max() * images)
    predicted = ((labels + is_wrong * dice.integers(1, 10, images)) % 10).astype(np.uint8)
    facts = {"predicted": predicted, "labels": labels, "correct": ~is_wrong, "epoch": int(curve.argmax()) + 1}
    np.savez_compressed(path, **facts)


def write_rays(folder: Path, planned: list[dict[str, Any]], values: np.ndarray) -> None:
    """Write the trials as a Ray Tune experiment folder: its state by Ray's own classes, its results as Ray's logger writes."""
    from ray.train._internal.storage import StorageContext
    from ray.tune import PlacementGroupFactory
    from ray.tune.experiment import Trial

    storage = StorageContext(storage_path=str(folder.parent), experiment_dir_name=folder.name)
    states = []
    for each, curve in zip(planned, values, strict=True):
        trial = Trial("trainable", config=each["config"], trial_id=f"{each['index']:08d}", storage=storage, stub=True)
        trial.placement_group_factory = PlacementGroupFactory([{"CPU": 1}])  # a stub has none, and a reader wants one
        trial.storage.trial_dir_name = f"trainable_{trial.trial_id}"
        states.append(trial.get_json_state())
        path = folder / trial.storage.trial_dir_name
        path.mkdir(parents=True, exist_ok=True)
        results = [
            row
            | {"training_iteration": row["epoch"], "trial_id": trial.trial_id, "config": each["config"], "done": False}
            for row in rows(curve, each["config"]["lr"])
        ]
        (path / "result.json").write_text("".join(json.dumps(line) + "\n" for line in results))
        (path / "params.json").write_text(json.dumps(each["config"]))
    state = {"trial_data": states, "runner_data": {}, "stats": {"start_time": 0.0}}
    (folder / "experiment_state-2026-01-01_00-00-00.json").write_text(json.dumps(state))


def write_optunas(path: Path, planned: list[dict[str, Any]], values: np.ndarray) -> None:
    """Write the trials as an Optuna study in SQLite, with the intermediate values of each trial."""
    import optuna
    from optuna.distributions import FloatDistribution, IntDistribution

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="one", storage=f"sqlite:///{path}", direction="maximize")
    spreads = {
        "lr": FloatDistribution(1e-5, 0.1, log=True),
        "dropout": FloatDistribution(0, 0.6),
        "depth": IntDistribution(1, 4),
    }
    study.add_trials(
        optuna.trial.create_trial(
            params={key: each["config"][key] for key in spreads}, distributions=spreads, value=float(curve.max()),
            intermediate_values={epoch: float(value) for epoch, value in enumerate(curve, 1)},
        )
        for each, curve in zip(planned, values, strict=True)
    )  # fmt: skip


def cost(*command: str) -> tuple[float, float]:
    """Run a Python command in its own process; return its seconds and its peak memory in bytes.

    Raises:
        RuntimeError: the command failed.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, sys.executable, *command], capture_output=True, text=True, check=True
    )
    seconds, memory, code = done.stdout.split()
    if int(code):
        raise RuntimeError(f"{command[:3]} failed: {done.stderr[-2000:]}")
    return float(seconds), float(memory)


def measure(trials: int, epochs: int, rounds: int, only_ours: bool) -> Table:
    """Write the same trials for each side, let the sides list their trials in turn, and return the table."""
    planned = plan(trials)
    values = curves(planned, epochs)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write_ours(base / "runs" / "generated", planned, values)
        sides = {"ours": ("-m", "analysis", "leaderboard", str(base / "runs" / "generated"))}
        if not only_ours:
            write_rays(base / "ray", planned, values)
            write_optunas(base / "optuna.db", planned, values)
            sides |= {
                "Ray ExperimentAnalysis": ("-c", RAY, str(base / "ray")),
                "Optuna SQLite": ("-c", OPTUNA, str(base / "optuna.db")),
            }
        found = [one_round(base, sides) for _ in range(rounds)]
    return tabled(found, trials, epochs)


def one_round(base: Path, sides: dict[str, tuple[str, ...]]) -> Costs:
    """Run each side once; return its seconds and bytes. The plots of this project are drawn anew."""
    shutil.rmtree(base / "runs" / "generated" / "plots", ignore_errors=True)
    return {name: cost(*command) for name, command in sides.items()}


def tabled(found: Sequence[Costs], trials: int, epochs: int) -> Table:
    """The table with a row for each side, from the side's seconds and bytes in each round."""
    rows = []
    for name in found[0]:
        seconds = [costs[name][0] for costs in found]
        ratios = [costs[name][0] / costs["ours"][0] for costs in found]
        memory = max(costs[name][1] for costs in found)
        rows.append([name, spread(seconds), spread(ratios, "x"), f"{memory / 1e9:.2f} GB"])
    return Table(
        "leaderboard", f"Listing {trials:,} trials of {epochs} epochs",
        f"python -m benchmarks.leaderboard --trials {trials} --epochs {epochs} --rounds {len(found)}",
        ["side", "time", "side / ours", "peak memory"], rows,
        aim="ours in under 5 s and 1 GB.", reached=f"{rows[0][1]}, {rows[0][3]}.",
        notes="Each side lists the same trials, best first, in a process of its own; ours also writes results.md, the table of "
        "all trials and the plots.",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="How long it takes to list the trials of a large search.")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-ours", action="store_true", help="print the table without keeping it")
    asked = parser.parse_args()
    table = measure(asked.trials, asked.epochs, asked.rounds, asked.only_ours)
    print(record.rendered(table)) if asked.only_ours else record.keep(table)


if __name__ == "__main__":
    main()
