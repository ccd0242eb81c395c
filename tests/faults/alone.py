"""run_search.py as people start it, but that its trials are trained one after another by the command itself, without Ray:

python tests/faults/alone.py --space lr_sweep --name t
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import run_search
from search import attempts
from search.backend import worker
from search.backend.resources import Resources
from search.run import confirmation, ledger
from search.run.decisions import Decisions, of_run
from search.run.opening import tidy
from search.settings import Settings
from search.turns import Turns
from trainables.cli.execution import execute
from trainables.files.durable import Record


def train(folder: Path, settings: Settings, *_: Any) -> None:
    run = confirmation.extend(ledger.read(folder))
    job = attempts.make_job(run, settings, Resources(cpus=1, gpus=0, slots=1))
    turns, decisions = Turns(run), of_run(run)
    while turn := turns.take():
        worker.train_trial(job, turn, telling(decisions, turn.trial, run.identity.objective.column))
        turns.end(turn.trial)
    tidy(ledger.read(folder))


def telling(decisions: Decisions, trial: int, column: str) -> Callable[[Record], None]:
    """What a worker reports to, when nobody but the rule of early stopping listens."""

    def report(row: Record) -> None:
        assert "fault" not in row, row
        decisions.stops(trial, row["epoch"], row[column])

    return report


if __name__ == "__main__":
    attempts.train = train
    sys.exit(execute(run_search.app, "python run_search.py", sys.argv[1:]))
