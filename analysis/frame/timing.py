"""Measured times: seconds and images per second of each trial. For report.html and the terminal, not results.md."""

import statistics
from dataclasses import dataclass

from analysis.render.markdown import NOTHING
from search.run.ledger import Run, Trial
from trainables.errors import ExpectedError
from trainables.files.durable import Record, read_lines
from trainables.written import count


@dataclass(frozen=True)
class Clock:
    """The time of one trial. An epoch that was trained twice counts twice."""

    seconds: float
    images_per_second: float | None  # of the median epoch; none of own training
    device: str
    latency: float | None = None  # seconds to classify one image; none of a trial that did not get to its end


def clock(trial: Trial) -> Clock | None:
    """The time of a trial; None if no readable time is there.

    The lines of timing.jsonl are never synced to the disk, so a power cut may spoil them.
    """
    try:
        every = read_lines(trial.folder / "timing.jsonl")
    except ExpectedError:
        return None
    lines = [line for line in every if is_epoch(line)]
    latencies = [line["latency_seconds"] for line in every if isinstance(line.get("latency_seconds"), int | float)]
    if not lines:
        return None
    speeds = [line["images_per_second"] for line in lines if "images_per_second" in line]
    speed = statistics.median(speeds) if speeds else None
    return Clock(sum(line["seconds"] for line in lines), speed, str(lines[-1].get("device", "?")), *latencies[-1:])


def is_epoch(line: Record) -> bool:
    return all(isinstance(line.get(key), int | float) for key in ("epoch", "seconds"))


def clocks(run: Run) -> dict[int, Clock]:
    """The time of each trial by its index in the plan; trials without a time are left out."""
    found = {trial.index: clock(trial) for trial in run.trials}
    return {index: time for index, time in found.items() if time}


def milliseconds(seconds: float | None) -> str:
    """A time in milliseconds with three digits, such as 0.412; a dash if the time was not measured."""
    return NOTHING if seconds is None else f"{1000 * seconds:.3g}"


def sentence(time: Clock) -> str:
    """The time of one trial in words."""
    latency = "" if time.latency is None else f"; classifies one image in {milliseconds(time.latency)} ms"
    speed = "" if time.images_per_second is None else f", {count(round(time.images_per_second))} images/s"
    return f"{words(time.seconds)} of training{speed}{latency}, on {time.device}"


def words(seconds: float) -> str:
    """A duration as text, such as 1h 04m, 3m 20s or 5.2s."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest:02d}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02d}m"
