"""Measure a search as users start it: from the command to results.md, with Ray, ledgers and resume states."""

import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.session.journal import Measurement, Row
from benchmarks.session.setting import Setting

ROOT = Path(__file__).parents[2]
POINTS, EPOCHS, SLOTS = 1000, 9, 16
PATIENCE = 300.0  # seconds


def measurements(setting: Setting) -> Iterator[Measurement]:
    name = f"mlp_random, {3 if setting.small else POINTS} points, with Ray"
    yield Measurement("command", name, 20 if setting.small else 100, lambda: command(setting))


def command(setting: Setting) -> Iterator[Row]:
    """Run the search and yield one row; without Ray, the row says that Ray is not installed."""
    if not has_ray():
        yield {"not_measured": "Ray is not installed"}
        return
    points, epochs, slots = (3, 2, 2) if setting.small else (POINTS, EPOCHS, SLOTS)
    given = {
        "space": "mlp_random", "dataset": setting.dataset, "data-dir": setting.data_dir, "num-samples": points,
        "epochs": epochs, "scheduler": "asha", "engine": slots, "name": "sitting", "fraction": 0.1 if setting.small else 1.0,
        "runs-dir": setting.folder / "runs", "results": setting.folder / "results.md",
    }  # fmt: skip
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    device = ["--gpus-per-trial", "0"] if setting.device == "cpu" else []
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_search.py"), *words, *device, "--quiet"],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    run = setting.folder / "runs" / "sitting"
    rows = [
        line
        for path in run.glob("trials/*/epochs.jsonl")
        for line in path.read_text().splitlines()
        if "val_loss" in line
    ]
    log = run / "ray" / "output.log"
    yield {
        "seconds": round(seconds, 1), "trials": points, "slots": slots, "images": setting.dataset, "model_epochs": len(rows),
        "model_epochs_s": round(len(rows) / seconds, 1), "exit": done.returncode, "said": done.stderr[-400:],
        "engines_died": log.read_text().count(" died, and with it") if log.exists() else None,
    }  # fmt: skip


def has_ray() -> bool:
    try:
        return importlib.util.find_spec("ray") is not None
    except ModuleNotFoundError:
        return False
