"""Replay early stopping on learning curves that were trained in full, to find its cost and the quality of its winner.

    python -m benchmarks.replay

The decisions are made by the code of a search (search/run/decisions.py, search/run/cuts.py, search/turns.py). Only the training
is replaced: its values are read from the tables in benchmarks/curves/. The simulated time of an epoch is proportional to the
width of the network. If the learning rate is constant, a training of fewer epochs is the start of a longer training.
"""

import gzip
import heapq
import itertools
import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev

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
from trainables.written import plural

STOPPERS = {  # as run.json has them
    "asha": rule("asha"),
    "asha, grace 3": rule("asha", 3),
    "median": rule("median"),
    "sha": rule("sha"),
    "epochs:3": rule("epochs:3"),
    "ladder 25 %": rule("ladder", share=0.25),
    "ladder 30 %": rule("ladder", share=0.30),
    "ladder 35 %": rule("ladder", share=0.35),
}
SLOTS = (1, 2, 8)
USUAL = 2  # slots of the first table
LENGTHS = (8, 9, 12, 16, 20, 27)  # epochs of a trial
FEWEST = 3  # searches in a group, so that a mean over them says something
CURVES = Path(__file__).parent / "curves"
AVERAGED = ("0.98", "0.7")  # a decay per step and a horizon in epochs, which here are equal within a tenth
COMMAND = "python -m benchmarks.replay"
FACTS = (
    "Regret: points of validation accuracy that the chosen trial is below the best of all full curves of its search. "
    "An epoch takes a time in proportion to the width. In brackets behind a name: how many searches."
)
MEMORY = Path("/dev/shm")  # decisions are synced one by one, which costs nothing in memory


@dataclass(frozen=True)
class Outcome:
    """The result of a search with early stopping, compared with the full curves."""

    epochs: int  # trained by all trials together
    winner: int | None  # the best trial that finished; None if no trial finished
    regret: float  # the best value of all full curves, minus the best value of the winner
    rank: int  # of the winner among all full curves, from 1
    makespan: float = field(default=0.0, compare=False)  # when the last epoch ended, in the unit of the times


class Simulation:
    """A simulated run whose trials follow given learning curves, with the interface that the modules of search/ read.

    Args:
        curves: val_accuracy of each epoch of each trial; a trial whose curve is shorter than the longest one diverged.
        scheduler: the early-stopping rule as run.json has it.
        folder: the folder into which decisions.jsonl is written.
        seed: the seed of the search.
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
        """The run in its present state."""
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
        """Train a trial for one epoch; return the epoch's row, or None if the trial diverged."""
        if self.done[index] == len(self.rows[index]):
            self.ended.add(index)
            return None
        self.done[index] += 1
        if self.done[index] == self.epochs:
            self.ended.add(index)
        return self.rows[index][self.done[index] - 1]


def play(simulation: Simulation, slots: int, times: Sequence[float]) -> tuple[Run, float]:
    """Simulate the search with `slots` trials at a time until nothing is left to train; return the run and its end time.

    Args:
        times: the time of an epoch of each trial.
    """
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
    return simulation.read(), now


def replay(
    curves: Sequence[Sequence[float]],
    scheduler: Record,
    slots: int,
    seed: int = 0,
    times: Sequence[float] | None = None,
) -> Outcome:
    """Simulate a search with this scheduler and number of slots; return its result.

    Args:
        times: the time of an epoch of each trial, in any unit. By default all times are equal. Then a trial that starts earlier
            also reaches every rung earlier, so the number of slots does not change the result.
    """
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        run, makespan = play(Simulation(curves, scheduler, Path(folder), seed), slots, times or [1.0] * len(curves))
    finished = [trial for trial in run.trials if trial.status == "finished"]
    bests = [max(curve, default=0.0) for curve in curves if len(curve) == len(max(curves, key=len))]
    winner = max(finished, key=lambda trial: (max(curves[trial.index]), -trial.index), default=None)
    value = max(curves[winner.index]) if winner else 0.0
    epochs = sum(len(trial.epochs) for trial in run.trials)
    better = sum(best > value for best in bests)
    return Outcome(epochs, winner.index if winner else None, max(bests, default=0.0) - value, 1 + better, makespan)


@dataclass(frozen=True)
class Search:
    """The full curves of one search, in plan order."""

    seed: int
    curves: list[list[float]]
    times: list[float]  # of an epoch of each trial

    def cut(self, epochs: int) -> "Search":
        """The search with each curve cut to its first `epochs` epochs."""
        return replace(self, curves=[curve[:epochs] for curve in self.curves])


@dataclass(frozen=True)
class Group:
    """Searches of one space whose curves are all of raw weights, or all of averaged weights."""

    title: str
    weights: str
    searches: list[Search]
    lengths: tuple[int, ...]  # epochs for which these curves hold


def groups(folder: Path = CURVES) -> list[Group]:
    """All groups of at least FEWEST searches with full curves."""
    lines = [told(line, path.name) for path in sorted(folder.glob("*.jsonl*")) for line in read(path)]
    found: dict[tuple[str, str], list[Record]] = {}
    for line in lines:
        found.setdefault((line["title"], line["weights"]), []).append(line)
    whole = [Group(*key, searches_of(own), lengths_of(own)) for key, own in sorted(found.items()) if key[1]]
    return [group for group in whole if len(group.searches) >= FEWEST]


def read(path: Path) -> list[Record]:
    if path.suffix != ".gz":
        return durable.read_lines(path)
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def told(line: Record, file: str) -> Record:
    """A line with the title of its group and the kind of validated weights; the kind is empty if the line is left out."""
    weights = line.get("weights", "raw")
    kind = "raw" if weights == "raw" else "averaged" if weights in AVERAGED else ""
    space = line.get("search") or line.get("space") or "convnet_asha"
    if space == "convnet_asha":
        seeds = line["seed"]
        space += ", of a CPU" if file == "convnet_asha.jsonl" else ", seeds 10 to 15" if seeds < 20 else ", fresh"
    elif file == "h100-fresh.jsonl.gz":
        space += ", second sitting"
    known = kind if space not in ("lr_sweep", "lr_sweep, second sitting") else ""  # grids of a few points
    return line | {"title": space, "weights": known}


def searches_of(lines: Sequence[Record]) -> list[Search]:
    """The searches in these lines that have all their curves, and the largest number of trials."""
    found = []
    keys = sorted({(line.get("algo", "random"), line["seed"]) for line in lines})
    for algo, seed in keys:
        own = [line for line in lines if (line.get("algo", "random"), line["seed"]) == (algo, seed)]
        own.sort(key=lambda line: line["index"])
        if [line["index"] for line in own] == list(range(len(own))):
            found.append(
                Search(seed, [line["val_accuracy"] for line in own], [epoch_time(line["config"]) for line in own])
            )
    most = max((len(search.curves) for search in found), default=0)
    return [search for search in found if len(search.curves) == most]


def lengths_of(lines: Sequence[Record]) -> tuple[int, ...]:
    """The numbers of epochs for which the curves are valid: the full number, and fewer if the learning rate is constant."""
    longest = max(len(line["val_accuracy"]) for line in lines)
    is_constant = all(line["config"]["schedule"] == "constant" for line in lines)
    return tuple(length for length in LENGTHS if length == longest or (is_constant and length < longest))


def epoch_time(config: Record) -> float:
    """The time of an epoch, proportional to the width.

    A convnet on one core trained 4,062, 1,768 and 888 images/s at widths of 8, 16 and 32.
    """
    return float(config["width"])


def outcomes(group: Group, stopper: str, epochs: int, slots: int) -> list[Outcome]:
    """The result of each search of a group with this stopper, number of epochs and number of slots."""
    short = (search.cut(epochs) for search in group.searches)
    return [replay(each.curves, STOPPERS[stopper], slots, each.seed, each.times) for each in short]


def by_length(group: Group, slots: int = USUAL) -> list[list[str]]:
    """A row for each stopper: epochs, mean and worst regret, and the difference to asha with its standard error."""
    rows = []
    asha = {length: outcomes(group, "asha", length, slots) for length in group.lengths}
    for stopper in STOPPERS:
        cells = {}
        for length in group.lengths:
            own = asha[length] if stopper == "asha" else outcomes(group, stopper, length, slots)
            cells[length] = cell(own, asha[length], len(group.searches[0].curves) * length)
        rows.append(
            [
                f"{group.title} ({len(group.searches)}), {group.weights}",
                stopper,
                *(cells.get(each, "") for each in LENGTHS),
            ]
        )
    return rows


def cell(own: Sequence[Outcome], asha: Sequence[Outcome], full: int) -> str:
    """A cell: epochs in percent of all, mean and worst regret, and by how much asha's regret is larger, ± standard error."""
    regrets = [100 * outcome.regret for outcome in own]
    spent = 100 * fmean(outcome.epochs for outcome in own) / full
    text = f"{spent:.0f} %: {fmean(regrets):.2f} ({max(regrets):.2f})"
    if own is asha:
        return text
    gains = [100 * (theirs.regret - ours.regret) for theirs, ours in zip(asha, own, strict=True)]
    error = stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else math.nan
    return f"{text}, {fmean(gains):+.2f} ± {error:.2f}".replace("-", "−")


def by_slots(group: Group) -> list[list[str]]:
    """A row for each stopper at the largest number of epochs: epochs, mean regret and end of the last epoch, by slots."""
    rows, length = [], max(group.lengths)
    for stopper in STOPPERS:
        found = {slots: outcomes(group, stopper, length, slots) for slots in SLOTS}
        full = len(group.searches[0].curves) * length
        epochs = [f"{100 * fmean(outcome.epochs for outcome in own) / full:.0f}" for own in found.values()]
        regrets = [f"{100 * fmean(outcome.regret for outcome in own):.2f}" for own in found.values()]
        ends = [f"{fmean(outcome.makespan for outcome in own):.0f}" for own in found.values()]
        alike = "yes" if all(own == found[SLOTS[0]] for own in found.values()) else "no"
        rows.append([f"{group.title}, {group.weights}", stopper, *map(" / ".join, (epochs, regrets, ends)), alike])
    return rows


def measure(folder: Path = CURVES) -> list[Table]:
    """Replay every stopper on all curves; return a table by the epochs of a trial for each of SLOTS, and a comparison of them."""
    found = groups(folder)
    return [
        *(of_slots(found, slots) for slots in (USUAL, *(each for each in SLOTS if each != USUAL))),
        of_all_slots(found),
    ]


def of_slots(found: Sequence[Group], slots: int) -> Table:
    """The table by the epochs of a trial, for a number of slots."""
    return Table(
        "replay" if slots == USUAL else f"replay_{slots}", f"Early stopping, replayed on full curves, {plural(slots, 'slot')}",
        COMMAND, ["curves", "rule", *(f"{length} epochs" for length in LENGTHS)],
        [row for group in found for row in by_length(group, slots)],
        notes="A cell: epochs trained, of all; mean regret (worst), and how much greater that of asha is, ± the standard error. "
        f"Averaged: a decay of 0.98 per step, or a horizon of 0.7 epochs. {FACTS}",
    )  # fmt: skip


def of_all_slots(found: Sequence[Group]) -> Table:
    """The table that compares numbers of slots."""
    return Table(
        "replay_slots", "Early stopping and the number of slots", COMMAND,
        ["curves", "rule", "% of epochs", "mean regret", "last epoch ended at", "alike"],
        [row for group in found if group.lengths for row in by_slots(group)],
        notes=f"{', '.join(map(str, SLOTS[:-1]))} and {SLOTS[-1]} slots, at the greatest length. Alike: every search chose the "
        f"same trial for the same epochs with each number of slots. {FACTS}",
    )  # fmt: skip


def main() -> None:
    """Measure, print and keep the tables."""
    for table in measure():
        record.keep(table)


if __name__ == "__main__":
    typer.run(main)
