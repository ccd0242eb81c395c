"""Compare a whole search with the same search in other tools: wall time, CPU time, peak memory and the best accuracy.

    python -m benchmarks.search --workload mlp-short --repeat 3
    python -m benchmarks.search --dataset folder:data/cifar10-jpeg --workload mlp-long --sides ours,fp32,ray,optuna

Every side trains the same images, network, learning rates and epochs, two trials at a time on one thread each, without early
stopping. (The serial loop has one trial at a time.) Each side runs in a fresh process from an empty folder, one side after the
other; each round starts with another side. The peers (benchmarks/peers/) are written as their documentation teaches. A ratio
compares two sides in the same round. The new rows of a workload replace its old rows, and other rows stay, so the table can be
filled in several sittings.
"""

import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import record
from benchmarks.processes import ALONE, Cost, watched
from benchmarks.record import Table, spread

ROOT = Path(__file__).parent.parent
NAMES = {
    "ours": "ours", "fp32": "ours, float32", "ray": "Ray Tune", "ray-bare": "Ray Tune, no loader processes",
    "optuna": "Optuna", "syne": "Syne Tune", "serial": "serial loop",
}  # fmt: skip
OURS = {"ours": "auto", "fp32": "fp32"}  # the sides of this project, with their precision
PEERS = {
    "ray": ("ray_tune", "2"), "ray-bare": ("ray_tune", "0"), "optuna": ("optuna_processes",), "syne": ("syne_local",),
    "serial": ("serial",),
}  # the module in benchmarks/peers/, and its further arguments  # fmt: skip
COLUMNS = ["workload", "side", "wall time", "peer / ours", "CPU time", "peak memory", "best val %", "measured"]
AIMS = {
    ("mlp-short", "ray"): 2.3, ("mlp-short", "optuna"): 1.6, ("mlp-long", "ray"): 3.5, ("mlp-long", "optuna"): 2.5,
    ("convnet-augmented-long", "ray"): 4.0,
}  # fmt: skip
SHORT = (1e-3, 5e-4, 1e-4)  # the rates of lr_sweep, whose baseline is the first
LONG = (1e-4, 1.5e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 1.5e-3, 2e-3, 3e-3, 5e-3, 1e-2)
CONCURRENT = 2
NOTES = f"""Wall time is from the start of the command until it returns. CPU time and memory are those of the whole process tree,
sampled from /proc: CPU time every 0.2 s, memory as the sum of proportional set sizes every second (the highest of all rounds).
{CONCURRENT} trials at a time on one thread each; the serial loop has one trial at a time and as many threads as torch takes. Ray
Tune and the serial loop load images in two processes for each trial, Optuna and Syne Tune in the trial itself, as their tutorials
do; what those processes are worth, the side without them shows. Ray Tune keeps a checkpoint of each epoch; ours writes down each
epoch, and its weights every ten seconds and at the end. Syne Tune looks every five seconds for a trial that has ended. The peers
compute in float32, ours in bfloat16 where the processor has it. Each trial of a peer starts from weights of its own, ours all
start from those of one seed, so a peer's best is the best of more luck. From seed to seed the best of three epochs of a convnet
varies by 2.5 points (standard deviation; on sixty seeds each ours reached 43.1 % and the peers' loop 42.3 %, docs/findings.md):
the accuracies of single searches say little. The decoded images are there for every side, and the same 10,000 are trained on."""


@dataclass(frozen=True)
class Workload:
    """A search to compare: one trial for each learning rate, on `images` training images and all validation images."""

    model: str
    augmented: bool
    rates: tuple[float, ...]
    epochs: int
    images: int = 10_000
    dataset: str = ""  # the workload's own data set, which overrides the one that was asked for


WORKLOADS = {"tiny": Workload("mlp", False, SHORT[:2], 1, 256, "digits")} | {
    f"{model}{'-augmented' * augmented}-{length}": Workload(model, augmented, rates, epochs)
    for length, rates, epochs in (("short", SHORT, 3), ("long", LONG, 5))
    for model in ("mlp", "convnet") for augmented in (False, True)
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run of one side: its cost, and its best validation accuracy from 0 to 1."""

    cost: Cost
    accuracy: float


Round = Mapping[str, Run]  # by side


@dataclass(frozen=True)
class Bench:
    """A workload that is ready to run, with the places of its images for this project and for the peers."""

    workload: Workload
    dataset: str
    data_dir: Path
    fraction: float
    task: Path
    pythons: Mapping[str, str]  # the interpreter of a side, if another one than this process has

    def run(self, side: str) -> Run:
        """Run the search of one side in an empty folder.

        Raises:
            RuntimeError: the search failed.
        """
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            command = self.ours(Path(folder), OURS[side]) if side in OURS else self.peer(side, folder)
            cost, printed = watched(command, {"PYTHONPATH": str(ROOT), **ALONE})
            if side in OURS:
                rows = json.loads((Path(folder) / "runs" / "bench" / "results.json").read_text())
                return Run(cost, max(row["val_accuracy"] for row in rows))
        return Run(cost, max(json.loads(printed.strip().splitlines()[-1]).values()))

    def ours(self, folder: Path, precision: str = "auto") -> list[str]:
        asked, rates = self.workload, ",".join(f"{rate:g}" for rate in self.workload.rates)
        changes = [f"lr={rates}", f"model={asked.model}", f"augment={'standard' if asked.augmented else 'none'}"]
        changes += ["width=32"] * (asked.model == "convnet")
        options = {
            "space": "lr_sweep", "epochs": asked.epochs, "dataset": self.dataset, "data-dir": self.data_dir,
            "fraction": self.fraction, "max-concurrent": CONCURRENT, "cpus-per-trial": 1, "scheduler": "none",
            "precision": precision, "name": "bench", "runs-dir": folder / "runs", "results": folder / "results.md",
        }  # fmt: skip
        given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        sets = [word for change in changes for word in ("--set", change)]
        return [sys.executable, str(ROOT / "run_search.py"), *given, *sets, "--quiet"]

    def peer(self, side: str, folder: str) -> list[str]:
        python, (module, *more) = self.pythons.get(side, sys.executable), PEERS[side]
        return [python, "-m", f"benchmarks.peers.{module}", str(self.task), folder, *more]


def prepared(workload: Workload, dataset: str, data_dir: Path, place: Path, pythons: Mapping[str, str]) -> Bench:
    """Decode the images once, and write the images that this project trains on into a folder for the peers."""
    from benchmarks.peers.textbook import Task, write
    from trainables.data import loading

    dataset, _ = loading.resolve(workload.dataset or dataset, data_dir)
    cache = loading.prepare(dataset, data_dir)
    if (there := loading.load(cache).sizes["train"]) < workload.images:
        raise SystemExit(f"{dataset} has {there:,} training images, and {workload.images:,} are needed: --dataset")
    fraction = workload.images / there
    images = loading.load(cache, fraction=fraction)
    splits = {"train": images.train, "val": images.val}
    arrays = {name: split.images for name, split in splits.items()}
    arrays |= {f"{name}-labels": split.labels for name, split in splits.items()}
    task = Task(
        workload.model, workload.augmented, workload.rates, workload.epochs, CONCURRENT, images.mean, images.std
    )  # fmt: skip
    write(place / "task", task, arrays)
    return Bench(workload, dataset, data_dir, fraction, place / "task", pythons)


def rounds(bench: Bench, sides: Sequence[str], repeat: int) -> list[Round]:
    """Run the sides in turn, round after round; a side that fails is reported and missing in its round."""
    found: list[Round] = []
    sides = list(sides)
    for number in range(repeat):
        turn = number % len(sides)
        runs: dict[str, Run] = {}
        for side in [*sides[turn:], *sides[:turn]]:
            try:
                runs[side] = bench.run(side)
            except RuntimeError as error:
                print(f"{side} is left out: {error}", flush=True)
            else:
                print(f"round {number + 1}, {side}: {runs[side].cost.wall:.1f} s", flush=True)
        found.append(runs)
    return found


def rows(name: str, found: Sequence[Round], when: str) -> list[list[str]]:
    """A row of the table for each side that ran, in the order of NAMES."""
    table = []
    for side, title in NAMES.items():
        runs = [runs[side] for runs in found if side in runs]
        if not runs:
            continue
        both = [runs for runs in found if side in runs and "ours" in runs]
        ratios = [runs[side].cost.wall / runs["ours"].cost.wall for runs in both] if side != "ours" else []
        table.append([
            name, title, spread([run.cost.wall for run in runs]), spread(ratios, "x") if ratios else "",
            spread([run.cost.cpu for run in runs]), f"{max(run.cost.memory for run in runs) / 2**20:.0f} MiB",
            spread([100 * run.accuracy for run in runs], "%"), when,
        ])  # fmt: skip
    return table


def reached(table: Sequence[Sequence[str]]) -> str:
    """The results for the aims: the ratio of each aim, and the accuracy compared with the mean of the peers."""
    ratios = {(row[0], row[1]): row[3] for row in table}
    answers = (
        f"{ratios.get((name, NAMES[side])) or 'not measured yet'} ({NAMES[side]}, {name})" for name, side in AIMS
    )
    gaps = (f"{gap:+.1f} ({name})" for name in WORKLOADS if (gap := ahead(table, name)) is not None)
    return (
        ", ".join(answers)
        + f"; best accuracy minus the mean of the peers', points: {', '.join(gaps) or 'not measured yet'}."
    )


def ahead(table: Sequence[Sequence[str]], workload: str) -> float | None:
    """By how many points of accuracy this project is above the mean of the peers; None if either was not measured."""
    best = {row[1]: float(row[6].split()[0]) for row in table if row[0] == workload}
    peers = [best[NAMES[side]] for side in PEERS if NAMES[side] in best]
    return best["ours"] - sum(peers) / len(peers) if peers and "ours" in best else None


def aims() -> str:
    answers = (f"{least}x ({NAMES[side]}, {name})" for (name, side), least in AIMS.items())
    return "at least " + ", ".join(answers) + "; an accuracy that is not worse."


def measure(bench: Bench, name: str, sides: Sequence[str], repeat: int) -> Table:
    """Measure a workload; return the saved table with the workload's new rows."""
    when = f"{datetime.date.today()}, {record.bfloat16()}"
    fresh = rows(name, rounds(bench, sides, repeat), when)
    old = record.load("search")
    table = record.joined(old.rows if old else [], fresh)
    title, command = "A whole search beside peers", f"python -m benchmarks.search --dataset {bench.dataset}"
    return Table("search", title, command, COLUMNS, table, aims(), reached(table), f"{NOTES} {versions(bench.pythons)}")


def versions(pythons: Mapping[str, str]) -> str:
    """The versions of the peers' libraries in words."""
    asked = "from importlib.metadata import version; print(version('syne-tune'))"
    done = subprocess.run([pythons["syne"], "-c", asked], capture_output=True, text=True)
    syne = f", Syne Tune {done.stdout.strip()}" if done.returncode == 0 else ""
    return f"torchvision {version('torchvision')}, Optuna {version('optuna')}{syne}."


def missing(sides: Sequence[str], pythons: Mapping[str, str]) -> str:
    """Why Syne Tune cannot run although it is asked for; empty if it can run or is not asked for."""
    if (
        "syne" not in sides
        or not subprocess.run([pythons["syne"], "-c", "import syne_tune"], capture_output=True).returncode
    ):
        return ""
    return (
        "syne is left out: pip install syne-tune, in an environment of its own if its requirements conflict (it needs this "
        "project's too), and give its interpreter as --syne-tune-python"
    )


def main(
    workload: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(WORKLOADS)}; repeatable [all but tiny]")
    ] = None,
    repeat: Annotated[int, typer.Option(help="rounds [3 for mlp-short, else 1]")] = 0,
    sides: Annotated[str, typer.Option(help="with commas")] = ",".join(NAMES),
    dataset: Annotated[str, typer.Option(help="of at least 10,000 images")] = "auto",
    data_dir: Path = Path("data"),
    syne_tune_python: Annotated[str, typer.Option(help="interpreter that has syne-tune")] = sys.executable,
    keep: Annotated[bool, typer.Option(help="save the rows in benchmarks/tables/")] = True,
) -> None:
    """Measure whole searches."""
    asked = workload or [name for name in WORKLOADS if name != "tiny"]
    chosen = sides.split(",")
    if unknown := (set(asked) - set(WORKLOADS)) | (set(chosen) - set(NAMES)):
        raise typer.BadParameter(f"{', '.join(unknown)}; choose from {', '.join([*WORKLOADS, *NAMES])}")
    pythons = {"syne": syne_tune_python}
    if why := missing(chosen, pythons):
        print(why, flush=True)
        chosen.remove("syne")
    for name in asked:
        with tempfile.TemporaryDirectory(prefix="bench-task-") as place:
            bench = prepared(WORKLOADS[name], dataset, data_dir, Path(place), pythons)
            table = measure(bench, name, chosen, repeat or (3 if name == "mlp-short" else 1))
        record.keep(table) if keep else print(record.rendered(table))


if __name__ == "__main__":
    typer.run(main)
