"""Times of runs and epochs, for tools that show them. The ledger has none; timing.jsonl beside it has."""

from search.run.ledger import Run, Trial
from trainables.files.durable import Record
from trainables.trial import timing


def started(run: Run) -> int:
    """Seconds since 1970 when the run was made, as far as a file can tell: the same at every conversion."""
    return int((run.folder / "run.json").stat().st_mtime)


def timings(trial: Trial) -> dict[int, Record]:
    """What the clock said of each epoch the first time, so that an epoch trained again after a kill changes nothing."""
    found: dict[int, Record] = {}
    for record in timing.lines(trial.folder):
        if "epoch" in record:
            found.setdefault(record["epoch"], record)
    return found


def timed_rows(trial: Trial, known: dict[int, Record]) -> list[Record]:
    """The rows whose timing is known. It is noted just after the row, so that of a running trial may be on its way."""
    if trial.ended:
        return trial.epochs
    return trial.epochs[: max(known, default=0)]
