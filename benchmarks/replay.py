"""Early stopping replayed on learning curves that were trained in full: what it would have cost, and what it would have found.

    python -m benchmarks.replay benchmarks/curves/convnet_asha.jsonl

The decisions are those of a search (search/run/decisions.py, search/turns.py); only the training is read from a table, and an
epoch of a trial takes a time in proportion to the width of its network. A row for each algorithm, stopper and number of slots,
over all seeds.
"""

import heapq
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import record
from benchmarks.leaderboard import IDENTITY
from benchmarks.record import Table
from search.records import Identity, Totals
from search.run import ledger
from search.run.decisions import of_run
from search.run.ledger import Run, Trial
from search.stopping import rules
from search.stopping.rules import rule
from search.turns import Turn, Turns
from trainables.files import durable
from trainables.files.durable import Record

STOPPERS = {  # their names in --scheduler, and the grace period
    "asha": ("asha", 1),
    "asha, grace 3": ("asha", 3),
    "sha": ("sha", 1),
    "sha, grace 3": ("sha", 3),
    "median": ("median", 1),
    "epochs:1": ("epochs:1", 1),
    "epochs:3": ("epochs:3", 1),
    "none": ("none", 1),
}
SLOTS = (2, 8)
CURVES = Path(__file__).parent / "curves" / "convnet_asha.jsonl"
MEMORY = Path("/dev/shm")  # decisions are synced to disk one by one; here that costs nothing


@dataclass(frozen=True)
class Outcome:
    """What a stopped search came to, seen from the full curves."""

    epochs: int  # trained by all trials together
    winner: int | None  # the best trial that finished; none if all diverged
    regret: float  # best value of any full curve, minus that of the winner
    rank: int  # of the winner among all full curves, from 1


class Simulation:
    """A run whose trials follow given curves, as search/ reads it.

    Args:
        curves: val_accuracy of each epoch of each trial; a curve shorter than the longest is of a trial that diverged.
        folder: where decisions.jsonl is written.
    """

    def __init__(self, curves: Sequence[Sequence[float]], scheduler: Record, folder: Path, seed: int = 0) -> None:
        self.epochs = max(map(len, curves), default=0)
        self.rows = [
            [{"epoch": epoch, "val_accuracy": value} for epoch, value in enumerate(curve, 1)] for curve in curves
        ]
        self.done = [0] * len(curves)
        self.ended: set[int] = set()
        self.folder = folder
        self.identity = Identity.read(IDENTITY | {"scheduler": scheduler, "seed": seed}, "run.json")
        places = rules.places(scheduler, len(curves), self.epochs) if rules.cuts(scheduler) else None
        self.totals = Totals(trials=len(curves), epochs=self.epochs, rungs=places and [list(place) for place in places])

    def read(self, folder: Path | None = None) -> Run:
        """The run as it is now."""
        lines = durable.read_lines(self.folder / "decisions.jsonl")
        cuts = [line for line in lines if "trial" not in line]
        stops = {line["trial"]: line["epoch"] for line in lines if line.get("decision") == "stop"}
        trials = ledger.left_behind([self._trial(index, stops.get(index)) for index in range(len(self.rows))], cuts)
        decisions = [decision for line in lines for decision in ledger.taken_apart(line, trials)]
        return Run(self.folder, self.identity, self.totals, trials, decisions, [], [self.totals], cuts)

    def _trial(self, index: int, stopped_at: int | None) -> Trial:
        done, config = self.done[index], {"epochs": self.epochs}
        outcome = {"outcome": "finished" if done == self.epochs else "diverged"} if index in self.ended else None
        rows = self.rows[index][:done]
        return Trial(index, f"{index:06d}", config, 0, "random", self.folder, rows, outcome, stopped_at)

    def step(self, index: int) -> Record | None:
        """Train a trial for an epoch: its row, or none if it diverged."""
        if self.done[index] == len(self.rows[index]):
            self.ended.add(index)
            return None
        self.done[index] += 1
        if self.done[index] == self.epochs:
            self.ended.add(index)
        return self.rows[index][self.done[index] - 1]


def play(simulation: Simulation, slots: int, times: Sequence[float]) -> Run:
    """Let so many trials at a time train, each for its time an epoch, until nothing is left to do."""
    turns, decisions = Turns(simulation.read(), simulation.read), of_run(simulation.read())
    running: list[tuple[float, int, Turn]] = []  # when the epoch ends, which slot started first
    now, number = 0.0, itertools.count()
    while not turns.over:
        while len(running) < slots and (turn := turns.take()):
            heapq.heappush(running, (now + times[turn.trial], next(number), turn))
        now, place, turn = heapq.heappop(running)
        row = simulation.step(turn.trial)
        is_over = row is None or row["epoch"] >= turn.until
        if row and row["epoch"] < simulation.epochs:
            is_over = decisions.stops(turn.trial, row["epoch"], row["val_accuracy"]) or is_over
        if is_over:
            turns.end(turn.trial)
        else:
            heapq.heappush(running, (now + times[turn.trial], place, turn))
    return simulation.read()


def replay(
    curves: Sequence[Sequence[float]],
    scheduler: Record,
    slots: int,
    seed: int = 0,
    times: Sequence[float] | None = None,
) -> Outcome:
    """What a search with this scheduler and so many slots would have come to.

    Args:
        times: of an epoch of each trial, in any unit; all alike by default, and then a trial that starts earlier is earlier
            at every rung, so that the number of slots changes nothing.
    """
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        run = play(Simulation(curves, scheduler, Path(folder), seed), slots, times or [1.0] * len(curves))
    finished = [trial for trial in run.trials if trial.status == "finished"]
    bests = [max(curve, default=0.0) for curve in curves if len(curve) == len(max(curves, key=len))]
    winner = max(finished, key=lambda trial: (max(curves[trial.index]), -trial.index), default=None)
    value = max(curves[winner.index]) if winner else 0.0
    epochs = sum(len(trial.epochs) for trial in run.trials)
    better = sum(best > value for best in bests)
    return Outcome(epochs, winner.index if winner else None, max(bests, default=0.0) - value, 1 + better)


def replayed(lines: Sequence[Record], factor: int) -> list[list[str]]:
    """A row for each algorithm, stopper and number of slots; figures are means over the seeds."""
    rows = []
    for algo in sorted({line["algo"] for line in lines}):
        searches = list(curves_of(lines, algo))
        for (name, (stopper, grace)), slots in itertools.product(STOPPERS.items(), SLOTS):
            own = rule(stopper, grace, factor)
            found = [replay(curves, own, slots, seed, times) for seed, curves, times in searches]
            full = sum(len(curve) for _, curves, _ in searches for curve in curves)
            epochs = sum(outcome.epochs for outcome in found)
            regrets = " ".join(f"{100 * outcome.regret:.2f}" for outcome in found)
            ranks = " ".join(str(outcome.rank) for outcome in found)
            share = f"{100 * epochs / full:.1f} %"
            rows.append([algo, name, str(slots), str(round(epochs / len(found))), share, regrets, ranks])
    return rows


def whole_searches(lines: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """The lines of searches whose curves are all there, as many as of the largest; and what the others lack, in words."""
    sizes = Counter((line["algo"], line["seed"]) for line in lines)
    most = max(sizes.values(), default=0)
    lacking = [f"{algo} {seed} ({size} of {most})" for (algo, seed), size in sorted(sizes.items()) if size < most]
    return [line for line in lines if sizes[line["algo"], line["seed"]] == most], lacking


def curves_of(lines: Sequence[Record], algo: str) -> Iterator[tuple[int, list[list[float]], list[float]]]:
    """Each seed, its curves in plan order, and the time of an epoch of each."""
    for seed in sorted({line["seed"] for line in lines if line["algo"] == algo}):
        of_seed = [line for line in lines if (line["algo"], line["seed"]) == (algo, seed)]
        ordered = sorted(of_seed, key=lambda line: line["index"])
        yield seed, [line["val_accuracy"] for line in ordered], [epoch_time(line["config"]) for line in ordered]


def epoch_time(config: Record) -> float:
    """In proportion to the width: a convnet on one core trained 4,062, 1,768 and 888 images/s at widths of 8, 16 and 32."""
    return float(config["width"])


def measure(curves: Path, factor: int) -> Table:
    """Replay every stopper on a table of curves."""
    if not curves.exists():
        raise SystemExit(f"{curves} is missing: python -m benchmarks.curves --space {curves.stem} trains it")
    lines, lacking = whole_searches(durable.read_lines(curves))
    left_out = f" Left out, with curves still to be trained: {', '.join(lacking)}." if lacking else ""
    return Table(
        "replay", "Early stopping, replayed on full curves", f"python -m benchmarks.replay benchmarks/curves/{curves.name}",
        ["algo", "stopper", "slots", "epochs", "of all", "regret, points, by seed", "rank, by seed"],
        replayed(lines, factor),
        notes=f"Trained by `python -m benchmarks.curves --space {curves.stem}`; one trial in {factor} goes on. An epoch "
        "takes a time in proportion to the width. Regret: how far "
        f"the chosen trial is below the best of all full curves.{left_out}",
    )  # fmt: skip


def main(
    curves: Annotated[Path, typer.Argument(help="table that benchmarks.curves wrote")] = CURVES,
    reduction_factor: int = 3,
) -> None:
    """Measure, print and keep the table."""
    record.keep(measure(curves, reduction_factor))


if __name__ == "__main__":
    typer.run(main)
