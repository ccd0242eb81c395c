"""Measure the cost of a trial of a user's program beside the program itself: milliseconds for each trial and each epoch.

    python -m benchmarks.program --trials 50

The program is a shell script whose epochs do nothing, or wait. As the side `alone`, the script is started and its output is
read to the end. As a trial, the script is started by the modules that a worker uses (`trainables.own.command`,
`trainables.trial.checkpointing`), and each line becomes a durable row before the next line is read. Both sides take turns in
this process, without Ray; `benchmarks.overhead` measures Ray. The cost of an epoch follows from trials with ten times as many
epochs.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.record import Table, keep, spread

EPOCHS, MORE = 9, 90
PAUSE = 0.1  # seconds of an epoch that waits
SCRIPT = """#!/bin/sh
epoch=0
while [ $epoch -lt $TRIAL_UNTIL_EPOCH ]; do
    epoch=$((epoch + 1))
    {wait}
    echo "{{\\"epoch\\": $epoch, \\"loss\\": 0.5}}"
done
"""
Side = Callable[[Path, Path, int], None]  # runs one trial: (folder of the program, folder of the trial, epochs)


def alone(place: Path, folder: Path, epochs: int) -> None:
    """Run the program by itself."""
    environment = os.environ | {"TRIAL_UNTIL_EPOCH": str(epochs)}
    done = subprocess.run([place / "train.sh"], env=environment, cwd=place, stdout=subprocess.PIPE, check=True)
    assert done.stdout.count(b"\n") == epochs


def as_trial(place: Path, folder: Path, epochs: int) -> None:
    """Run the program as a trial in its own folder."""
    from trainables.objective import OwnObjective
    from trainables.own.command import CommandRows
    from trainables.trial import checkpointing

    objective = OwnObjective("loss", "min", "decimals")
    rows = CommandRows(
        {"epochs": epochs}, objective, 0, "cpu", command=["./train.sh"], code=place, folder=folder, until=epochs
    )
    assert len(list(checkpointing.run(folder, rows))) == epochs


SIDES: dict[str, Side] = {"the program alone": alone, "a trial of it": as_trial}


def written(place: Path, wait: str) -> Path:
    """Write the program into a new folder; return the folder."""
    place.mkdir()
    (place / "train.sh").write_text(SCRIPT.format(wait=wait))
    (place / "train.sh").chmod(0o755)
    return place


def milliseconds(side: Side, place: Path, trials: int, epochs: int) -> float:
    """The milliseconds of one trial, as a mean over some trials."""
    with tempfile.TemporaryDirectory(dir=".", prefix="bench-") as folder:  # a real disk; a temporary one may be memory
        started = time.perf_counter()
        for trial in range(trials):
            side(place, Path(folder).resolve() / str(trial), epochs)
        return 1000 * (time.perf_counter() - started) / trials


def measure(trials: int = 50, rounds: int = 3) -> Table:
    """Measure both sides in turn, with few epochs, with many epochs and with epochs that wait; return the table."""
    names = ("few", "many", "waiting")
    found: dict[str, dict[str, list[float]]] = {side: {name: [] for name in names} for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        idle, waiting = written(Path(folder) / "idle", ":"), written(Path(folder) / "waiting", f"sleep {PAUSE}")
        as_trial(idle, Path(folder) / "first", 1)  # imports what it needs
        for _ in range(rounds):
            for name, side in SIDES.items():
                found[name]["few"].append(milliseconds(side, idle, trials, EPOCHS))
                found[name]["many"].append(milliseconds(side, idle, max(1, trials // 5), MORE))
                found[name]["waiting"].append(milliseconds(side, waiting, max(1, trials // 10), EPOCHS))
    return table(found, trials, rounds)


def table(found: dict[str, dict[str, list[float]]], trials: int, rounds: int) -> Table:
    plain, trial = (found[name] for name in SIDES)
    above = [ours - theirs for ours, theirs in zip(trial["few"], plain["few"], strict=True)]
    return Table(
        name="program",
        title="What a trial of a program costs beside the program",
        command=f"python -m benchmarks.program --trials {trials} --rounds {rounds}",
        columns=["", f"{EPOCHS} epochs that do nothing", "one more epoch", "ratio", f"ratio, epochs of {PAUSE:g} s"],
        rows=[row(name, found[name], plain) for name in SIDES],
        notes=f"{spread(above, 'ms', 1)} a trial more than the program. Without Ray, one trial at a time: `python -m "
        "benchmarks.overhead` has what a search adds.",
    )


def row(name: str, side: dict[str, list[float]], plain: dict[str, list[float]]) -> list[str]:
    """The table row of one side, with ratios to the program alone."""
    epoch = [(many - few) / (MORE - EPOCHS) for few, many in zip(side["few"], side["many"], strict=True)]
    ratios = [
        [ours / theirs for ours, theirs in zip(side[kind], plain[kind], strict=True)] for kind in ("few", "waiting")
    ]
    return [name, spread(side["few"], "ms", 1), spread(epoch, "ms", 2), *(spread(each, "x", 2) for each in ratios)]


def main(
    trials: Annotated[
        int, typer.Option(help="of each side; a fifth with many epochs, a tenth with epochs that wait")
    ] = 50,
    rounds: Annotated[int, typer.Option(help="of both sides in turn")] = 3,
) -> None:
    """Measure, print and keep the table."""
    keep(measure(trials, rounds))


if __name__ == "__main__":
    typer.run(main)
