"""Time to the answer: compare a search with early stopping to such searches in other tools.

    python -m benchmarks.answer --dataset folder:data/cifar10-jpeg --seeds 0,1,2

The table has minutes, epochs and the winner's accuracy. The space is that of `convnet_asha` on a fifth of the training images.
All sides train the same number of points, two trials at a time, on one thread each. Each side runs in a fresh process from an
empty folder, one side after the other; each seed starts with another side. A side's row is saved when the side has ended, so
the table can be filled in several sittings.
"""

import datetime
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import record
from benchmarks.processes import ALONE, Cost, watched
from benchmarks.record import Table

ROOT = Path(__file__).parent.parent
OURS = {
    "ours": ("--scheduler", "ladder"),
    "ours, share 25%": ("--scheduler", "ladder", "--share", "25%"),
    "ours, asha": ("--scheduler", "asha"),
    "ours, asha, last weights": ("--scheduler", "asha", "--set", "ema=0"),
}  # what each side adds to the command
PEER = "Ray Tune, ASHA"  # that the aim is about
PEERS = {"Ray Tune, ASHA": "ray_asha", "Optuna, halving": "optuna_halving"}  # modules in benchmarks/peers/
SIDES = (*OURS, *PEERS)
COLUMNS = ["seed", "side", "minutes", "side / ours", "CPU minutes", "epochs", "val %", "test %", "measured"]
FRACTION, POINTS, EPOCHS = 0.2, 27, 27  # of the table, whose rows are compared with each other
CONCURRENT = 2
SHARE, GAIN = 0.25, 2.0  # of the peer's minutes at most, and points at least: the aim
AIM = "at most a quarter of Ray Tune's minutes, and at least two points more on the test images."
NOTES = """Minutes are from the start of the command until it returns with the winner's test accuracy; CPU minutes are those
of all its processes. Accuracies are of the winner: the best epoch on the validation images, and the test images with the
weights of that epoch. `ours` is a ladder with its default share of all epochs, 35 %. `ours, asha` is the space as it stands,
and `ours, asha, last weights` what this project did before it averaged weights. Rows were measured one after another with
nothing else running, in several sittings on machines of one kind; `measured` has the day. The peers are written as their
tutorials teach (benchmarks/peers/ray_asha.py, optuna_halving.py) and try the same baseline first; Optuna chooses its other
points by TPE, its default, the others at random. They compute in float32, ours in bfloat16 where the processor has it. Single
searches vary: a difference of a point between two of them says little."""


@dataclass(frozen=True)
class Found:
    """The result of one side's search: its cost, the epochs trained, and the winner's accuracies from 0 to 1."""

    cost: Cost
    epochs: int
    val_accuracy: float
    test_accuracy: float


@dataclass(frozen=True)
class Images:
    """The images of the searches: a share of a data set's training images, and all its validation and test images."""

    dataset: str
    data_dir: Path
    fraction: float


def ours(side: str, images: Images, seed: int, points: int, epochs: int, folder: Path) -> tuple[Cost, dict]:
    """Run a search of this project; return its cost and result."""
    options = {
        "space": "convnet_asha", "num-samples": points, "epochs": epochs, "seed": seed, "dataset": images.dataset,
        "data-dir": images.data_dir, "fraction": images.fraction, "max-concurrent": CONCURRENT, "cpus-per-trial": 1,
        "name": "bench", "runs-dir": folder / "runs", "results": folder / "results.md",
    }  # fmt: skip
    given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, str(ROOT / "run_search.py"), *given, *OURS[side], "--quiet"]
    cost, _ = watched(command, {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"})
    return cost, of_run(folder / "runs" / "bench")


def of_run(run: Path) -> dict:
    """The accuracies of the winner and the epochs of all trials of a run that has ended."""
    rows = json.loads((run / "results.json").read_text())
    scores = [json.loads(line) for line in (run / "tests.jsonl").read_text().splitlines()]
    test = next(score["metrics"]["accuracy"] for score in reversed(scores) if score["state"] == "done")
    return {
        "val_accuracy": rows[0]["val_accuracy"], "test_accuracy": test, "epochs": sum(row["epochs"] for row in rows)
    }  # fmt: skip


def peer(side: str, images: Images, seed: int, points: int, epochs: int, folder: Path) -> tuple[Cost, dict]:
    """Run a search of another tool; return its cost and result. Images are decoded beforehand, as for this project."""
    from benchmarks.peers.halving import Search
    from benchmarks.peers.textbook import write
    from trainables.data import loading

    cache = loading.prepare(images.dataset, images.data_dir)
    found = loading.load(cache, fraction=images.fraction)
    splits = {"train": found.train, "val": found.val, "test": loading.load_test(cache)}
    arrays = {name: split.images for name, split in splits.items()}
    arrays |= {f"{name}-labels": split.labels for name, split in splits.items()}
    write(folder / "task", Search(points, epochs, CONCURRENT, seed, found.mean, found.std), arrays)
    (folder / "out").mkdir()
    command = [sys.executable, "-m", f"benchmarks.peers.{PEERS[side]}", str(folder / "task"), str(folder / "out")]
    cost, printed = watched(command, {"PYTHONPATH": str(ROOT), **ALONE})
    return cost, json.loads(printed.strip().splitlines()[-1])


def run(side: str, images: Images, seed: int, points: int, epochs: int) -> Found:
    """Run the search of one side in an empty folder.

    Raises:
        RuntimeError: the search failed.
    """
    search: Callable[..., tuple[Cost, dict]] = ours if side in OURS else peer
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        cost, found = search(side, images, seed, points, epochs, Path(folder))
    return Found(cost, **found)


def row(seed: int, side: str, found: Found, when: str) -> list[str]:
    """The table row of one side; `compared` adds the ratio to this project."""
    return [
        str(seed), side, f"{found.cost.wall / 60:.2f}", "", f"{found.cost.cpu / 60:.2f}", str(found.epochs),
        f"{100 * found.val_accuracy:.2f}", f"{100 * found.test_accuracy:.2f}", when,
    ]  # fmt: skip


def compared(table: Sequence[list[str]]) -> list[list[str]]:
    """Sort rows by seed and by the order of SIDES, and fill in the ratio of minutes to the side `ours` of the same seed."""
    ours = {seed: float(minutes) for seed, side, minutes, *_ in table if side == "ours"}
    filled = []
    for seed, side, minutes, _, *rest in sorted(table, key=lambda one: (int(one[0]), SIDES.index(one[1]))):
        ratio = f"{float(minutes) / ours[seed]:.2f} x" if seed in ours and side != "ours" else ""
        filled.append([seed, side, minutes, ratio, *rest])
    return filled


def reached(table: Sequence[Sequence[str]]) -> str:
    """The result for the aim: of each of our sides, against Ray Tune."""
    found = [f"{side}: {of_side(table, side)}" for side in OURS if of_side(table, side)]
    return "; ".join(found) + "." if found else "not measured yet."


def of_side(table: Sequence[Sequence[str]], side: str) -> str:
    """Its share of Ray Tune's minutes and its gain in accuracy, on the seeds that both have; empty if they have none."""
    facts = {(row[0], row[1]): (float(row[2]), float(row[7])) for row in table}
    pairs = [(own, facts[seed, PEER]) for (seed, each), own in facts.items() if each == side and (seed, PEER) in facts]
    if not pairs:
        return ""
    share = statistics.mean(own[0] / peer[0] for own, peer in pairs)
    gain = statistics.mean(own[1] - peer[1] for own, peer in pairs)
    count = "1 seed" if len(pairs) == 1 else f"{len(pairs)} seeds"
    told = [("reached" if is_reached else "missed") for is_reached in (share <= SHARE, gain >= GAIN)]
    return f"{share:.3f} of its minutes ({told[0]}), {gain:+.2f} points ({told[1]}), means of {count}"


def measure(
    images: Images, seed: int, side: str, points: int, epochs: int, before: Sequence[list[str]]
) -> list[list[str]]:
    """The rows with a new row for this seed and side; if the side fails, it is reported and the rows stay unchanged."""
    try:
        found = run(side, images, seed, points, epochs)
    except RuntimeError as error:
        print(f"{side} is left out: {error}", flush=True)
        return list(before)
    print(f"seed {seed}, {side}: {found.cost.wall:.1f} s", flush=True)
    when = f"{datetime.date.today()}, {record.bfloat16()}"
    return compared(record.joined(before, [row(seed, side, found, when)], key=2))


def as_table(rows: list[list[str]], dataset: str) -> Table:
    title, command = "Time to the answer, with early stopping", f"python -m benchmarks.answer --dataset {dataset}"
    return Table("answer", title, command, COLUMNS, rows, AIM, reached(rows), NOTES)


def main(
    seeds: Annotated[str, typer.Option(help="with commas")] = "0,1,2",
    sides: Annotated[str, typer.Option(help="with semicolons")] = ";".join(SIDES),
    dataset: Annotated[str, typer.Option(help="images, as for run_search.py")] = "auto",
    data_dir: Path = Path("data"),
    fraction: Annotated[float, typer.Option(help="share of the training images, 0 to 1")] = FRACTION,
    points: int = POINTS,
    epochs: int = EPOCHS,
    keep: Annotated[bool, typer.Option(help="save the rows in benchmarks/tables/")] = True,
) -> None:
    """Measure searches with early stopping."""
    chosen = sides.split(";")
    if unknown := set(chosen) - set(SIDES):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}; choose from {'; '.join(SIDES)}")
    if keep and (fraction, points, epochs) != (FRACTION, POINTS, EPOCHS):
        raise typer.BadParameter("the table has searches of its own size only. Add --no-keep.")
    from trainables.data import loading

    found, _ = loading.resolve(dataset, data_dir)
    loading.prepare(found, data_dir)
    old = record.load("answer") if keep else None
    rows = old.rows if old else []
    for number, seed in enumerate(map(int, seeds.split(","))):
        turn = number % len(chosen)
        for side in [*chosen[turn:], *chosen[:turn]]:
            rows = measure(Images(found, data_dir, fraction), seed, side, points, epochs, rows)
            if keep:
                record.keep(as_table(rows, found))
    if not keep:
        print(record.rendered(as_table(rows, found)))


if __name__ == "__main__":
    typer.run(main)
