"""Times of runs and epochs, for tools that show times; they come from timing.jsonl, because the ledger has no times."""

from search.run.ledger import Run, Trial
from trainables.files.durable import Record
from trainables.trial import timing


def started(run: Run) -> int:
    """The time at which the run was made, in seconds since 1970: the modification time of run.json."""
    return int((run.folder / "run.json").stat().st_mtime)


def timings(trial: Trial) -> dict[int, Record]:
    """The first timing record of each epoch; a later record, of an epoch trained again after a kill, is ignored."""
    found: dict[int, Record] = {}
    for record in timing.lines(trial.folder):
        if "epoch" in record:
            found.setdefault(record["epoch"], record)
    return found


def timed_rows(trial: Trial, known: dict[int, Record]) -> list[Record]:
    """The epochs of a trial to show; a running trial's last epochs are left out until their timing is recorded."""
    if trial.ended:
        return trial.epochs
    return trial.epochs[: max(known, default=0)]
