"""What clocks said: seconds and images per second of each trial. Read for report.html alone, never for results.md."""

import statistics
from dataclasses import dataclass

from search.ledger import Run, Trial
from trainables.durable import Record, read_lines
from trainables.errors import ExpectedError


@dataclass(frozen=True)
class Clock:
    """The time of one trial; epochs that were trained twice count twice."""

    seconds: float
    images_per_second: float  # of the median epoch
    device: str


def clock(trial: Trial) -> Clock | None:
    """The time of a trial; none if nothing readable is there: these lines are never synced, so a power cut may spoil them."""
    try:
        lines = [line for line in read_lines(trial.folder / "timing.jsonl") if is_epoch(line)]
    except ExpectedError:
        return None
    if not lines:
        return None
    speed = statistics.median(line["images_per_second"] for line in lines)
    return Clock(sum(line["seconds"] for line in lines), speed, str(lines[-1].get("device", "?")))


def is_epoch(line: Record) -> bool:
    return all(isinstance(line.get(key), int | float) for key in ("epoch", "seconds", "images_per_second"))


def clocks(run: Run) -> dict[int, Clock]:
    """By index in the plan; trials without a time are left out."""
    found = {trial.index: clock(trial) for trial in run.trials}
    return {index: time for index, time in found.items() if time}


def words(seconds: float) -> str:
    """1h 04m, 3m 20s or 5.2s."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest:02d}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02d}m"
