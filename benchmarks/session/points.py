"""Measure a search of many points with the engine alone, and beside it a textbook loop in four processes."""

import cProfile
import itertools
import pstats
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.session.journal import Measurement, Row
from benchmarks.session.setting import Setting
from search.algorithms.random import ALGORITHM
from search.stopping import rules
from search.stopping.arrivals import Rungs
from spaces import mlp_random
from trainables.engine.engine import Work, run
from trainables.objective import ACCURACY
from trainables.training.definition import Training
from trainables.training.loop import Diverged, Epoch, train

POINTS, EPOCHS, SEED = 1000, 9, 0
SLOTS = (16, 32)
CHECKED = 2  # trials of the search that are trained again by `train`
PROCESSES = 4
EACH = (
    2.34  # epochs that a point of such a search takes: assumed, to say how long the textbook loop would need for them
)
PROFILED = 48  # points


def measurements(setting: Setting) -> Iterator[Measurement]:
    points = 5 if setting.small else POINTS
    yield Measurement("search", f"mlp_random, {points} points", 60, lambda: search(setting, points, SLOTS[0]))
    yield Measurement("textbook", f"{PROCESSES} processes", 40, lambda: textbook(setting, points))


def profiled(setting: Setting) -> Iterator[Measurement]:
    """The measurement of where the host's time is spent."""
    points = 2 if setting.small else PROFILED
    yield Measurement("profile", f"{points} points", 12, lambda: profile(setting, points))


def wider(setting: Setting) -> Iterator[Measurement]:
    """The measurement of the search with more slots, which runs if there is time."""
    points = 3 if setting.small else POINTS
    yield Measurement("search", f"{points} points on {SLOTS[1]} slots", 70, lambda: search(setting, points, SLOTS[1]))


def profile(setting: Setting, points: int) -> Iterator[Row]:
    """Profile a search; yield a row for each of the 25 Python functions with the largest own time."""
    one, profiler = Search(setting, points, 30), cProfile.Profile()
    began = time.perf_counter()
    profiler.runcall(run, setting.lanes[: SLOTS[0]], one.take)
    seconds = time.perf_counter() - began
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    most = sorted(stats.items(), key=lambda item: -item[1][2])[:25]
    for (file, line, name), (_, calls, own, whole, _) in most:
        where = f"{'/'.join(file.split('/')[-2:])}:{line} {name}"
        yield {
            "where": where,
            "calls": calls,
            "own_s": round(own, 3),
            "with_called_s": round(whole, 3),
            "of_s": round(seconds, 2),
        }


def configs(points: int) -> list[dict[str, Any]]:
    """The configurations that `run_search.py --space mlp_random` draws."""
    drawn = ALGORITHM.points(mlp_random.SPACE, SEED, 0, lambda point: True)
    return [{**mlp_random.SPACE.config(point), "epochs": EPOCHS} for point in itertools.islice(drawn, points)]


class Search:
    """A search with decisions by asha, kept in memory; it starts no further trial after `seconds`."""

    def __init__(self, setting: Setting, points: int, seconds: float) -> None:
        self.setting, self.latest = setting, time.perf_counter() + seconds
        self.todo = iter(enumerate(configs(points)))
        self.rungs = Rungs(rules.rule("asha"), EPOCHS, ACCURACY)
        self.rows: dict[int, list[dict[str, Any]]] = {}
        self.trainings: dict[int, Training] = {}
        self.errors: list[str] = []
        self.called: list[str] = []
        self.ended = 0

    def take(self) -> Work | None:
        number, config = next(self.todo, (None, None))
        if number is None or config is None or time.perf_counter() > self.latest:
            return None
        if self.setting.small:
            config = {**config, "width": 16, "epochs": 3}
        training = Training(
            config, self.setting.images, seed=SEED, device=self.setting.device, precision=self.setting.precision
        )
        self.rows[number], self.trainings[number] = [], training

        def heard(epoch: Epoch) -> bool:
            return self.hear(number, epoch.metrics)

        return Work(training=training, heard=heard, ended=self.end, noted=self.called.append)

    def hear(self, number: int, row: dict[str, Any]) -> bool:
        """Keep an epoch's row; return whether the trial goes on."""
        self.rows[number].append(row)
        epoch, value = row["epoch"], row["val_accuracy"]
        if epoch not in self.rungs.epochs:
            return True
        stops, _ = self.rungs.judge(number, epoch, value)
        self.rungs.count(number, epoch, value, audit=False)
        return not stops

    def end(self, error: Exception | None) -> None:
        self.ended += 1
        if error and not isinstance(error, Diverged):
            self.errors.append(f"{type(error).__name__}: {error}"[:300])


def search(setting: Setting, points: int, most: int) -> Iterator[Row]:
    """Run a search on up to `most` slots; yield its row, and a row for each trial that is checked by training it again.

    The time runs from an engine without trials to the last row. The images are on the GPU before.
    """
    slots = min(most, len(setting.lanes))
    one = Search(setting, points, 5 if setting.small else 150)
    began = time.perf_counter()
    run(setting.lanes[:slots], one.take)
    seconds = time.perf_counter() - began
    rows = [row for some in one.rows.values() for row in some]
    yield {
        "slots": slots, "seconds": round(seconds, 1), "trials": one.ended, "of": points, "model_epochs": len(rows),
        "model_epochs_s": round(len(rows) / seconds, 1),
        "images_s": round(len(rows) * len(setting.images.train.labels) / seconds),
        "best_val_accuracy": max((row["val_accuracy"] for row in rows), default=None),
        "seconds_for_all_extrapolated": round(seconds * points / max(1, one.ended), 1),
        "errors": one.errors[:3], "error_count": len(one.errors), "called": one.called[:3], "called_count": len(one.called),
    }  # fmt: skip
    for number in list(one.rows)[:CHECKED]:
        yield checked(one, number)


def checked(one: Search, number: int) -> Row:
    """Train a trial of the search again with `train`, for as many epochs as it had; return a row that compares both."""
    rows = one.rows[number]
    epochs = itertools.islice(train(one.trainings[number]), len(rows))
    again = [epoch.metrics for epoch in epochs]
    return {
        "trial": number,
        "epochs": len(rows),
        "in_the_search_and_by_train": "identical" if again == rows else "differs",
    }


def textbook(setting: Setting, points: int) -> Iterator[Row]:
    """Run the textbook loop, with a DataLoader of PIL images, for some seconds in processes that share the device."""
    from benchmarks.session import textbook

    textbook.write(setting.folder, setting.images)
    command = [sys.executable, "-m", "benchmarks.session.textbook", str(setting.folder), setting.device]
    command.append("0.2" if setting.small else "12")
    processes = 1 if setting.small else PROCESSES
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    try:
        rates = [float(each.communicate(timeout=90)[0].splitlines()[-1]) for each in started]
    finally:
        for each in started:
            each.kill()
            each.wait()
    epochs, images = EACH * points, len(setting.images.train.labels)
    yield {
        "processes": processes, "images_s_together": round(sum(rates)), "counted": "training steps alone",
        "assumed_epochs_of_the_search": epochs, "seconds_for_them_extrapolated": round(epochs * images / sum(rates)),
    }  # fmt: skip
