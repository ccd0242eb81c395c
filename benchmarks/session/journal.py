"""The document of a sitting: its rows, the measurement that is running, and the measurements that were left out."""

import json
import os
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
LINES = 6  # lines kept of an error's traceback


@dataclass(frozen=True)
class Measurement:
    """One measurement of a sitting.

    Attributes:
        part, case: the two parts of its name.
        seconds: roughly how long it takes; it is started only if the budget has as many seconds left.
        rows: the function that measures; each row that it yields is saved at once.
    """

    part: str
    case: str
    seconds: float
    rows: Callable[[], Iterable[Row]]

    @property
    def name(self) -> str:
        return f"{self.part}: {self.case}"


class Journal:
    """The document on disk; its times are those of the system's clock, because several processes write it in turn."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.document: Row = json.loads(path.read_text()) if path.exists() else {}

    def begin(self, **facts: Any) -> None:
        nothing: Row = {"rows": [], "planned": [], "done": [], "left_out": [], "running": None}
        self.document = {**facts, "began": time.time(), **nothing}
        self.write()

    def plan(self, measurements: Iterable[Measurement]) -> None:
        """Write the names of all planned measurements into the document."""
        self.document["planned"] = [each.name for each in measurements]
        self.write()

    def end(self) -> None:
        """Mark the sitting as over; planned measurements that were not begun are listed as left out."""
        begun = {*self.document["done"], *self.document["left_out"]}
        self.document["left_out"] += [name for name in self.document["planned"] if name not in begun]
        self.document["running"], self.document["is_over"] = None, True
        self.write()

    @property
    def left(self) -> float:
        """The seconds that are left of the budget."""
        return float(self.document["began"] + self.document["budget"] - time.time())

    def measure(self, measurement: Measurement) -> None:
        """Run a measurement and save its rows, unless it was done before or needs more seconds than are left."""
        if measurement.name in self.document["done"]:
            return
        self.document["done"].append(measurement.name)
        if self.left < measurement.seconds:
            self.document["left_out"].append(measurement.name)
            self.write()
            return
        self.document["running"] = {"name": measurement.name, "since": time.time(), "seconds": measurement.seconds}
        self.write()
        started = time.perf_counter()
        try:
            for row in measurement.rows():
                self.add(measurement, row, started)
        except Exception as error:  # whatever it is, the next measurement may work
            self.add(measurement, {"error": last_lines(error)}, started)
        self.document["running"] = None
        self.write()

    def add(self, measurement: Measurement, row: Row, started: float) -> None:
        seconds = round(time.perf_counter() - started, 2)
        self.add_row({"part": measurement.part, "case": measurement.case, **row, "after_seconds": seconds})

    def add_row(self, row: Row) -> None:
        self.document["rows"].append(row)
        print(json.dumps(row), flush=True)
        self.write()

    def write(self) -> None:
        """Write the document to disk, replacing the old file at once."""
        self.document["used"] = round(time.time() - self.document["began"], 1)
        whole = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        whole.write_text(json.dumps(self.document, indent=1) + "\n")
        whole.replace(self._path)


def last_lines(error: Exception) -> str:
    """The last lines of an error's traceback, with its message."""
    lines = "".join(traceback.format_exception(error)).strip().splitlines()
    return "\n".join(lines[-LINES:])[-1500:]
