"""Training that is not ours, for tests: a loop and a program that take milliseconds, searched without Ray."""

import contextlib
import importlib
import itertools
from pathlib import Path
from typing import Any

from search.run import confirmation, ledger, lock, opening
from search.run.decisions import Decisions, of_run
from search.settings import Settings
from search.turns import Turns
from trainables.files import durable
from trainables.own import code, training
from trainables.own.code import Code, File
from trainables.trial import checkpointing

LOOP = '''
"""A number that follows another, with noise that each epoch draws from a generator of its own."""
import torch
from spaces import Space, choice, uniform


def train(config, *, seed, device, state=None):
    at, start = (state["at"], state["epoch"]) if state else (torch.zeros(()), 0)
    for epoch in range(start + 1, config["epochs"] + 1):
        noise = torch.randn((), generator=torch.Generator().manual_seed(1000 * seed + epoch))
        at = at + config["rate"] * (3 - at) + config["noise"] * noise
        yield {"loss": (at - 3) ** 2, "at": at}, lambda: {"at": at, "epoch": epoch}


SPACE = Space(
    train=train, metric="loss", params={"rate": uniform(0.0, 1.0), "noise": choice(0.0, 0.1)},
    baseline={"rate": 0.1, "noise": 0.1}, epochs=4,
)
'''

PROGRAM = '''
"""The same by a program, which keeps what it needs in a file."""
from spaces import Space, choice, uniform

SPACE = Space(
    command=["./follow.sh", "{rate}", "{noise}"], metric="loss", params={"rate": uniform(0.0, 1.0), "noise": choice(0.0, 0.1)},
    baseline={"rate": 0.1, "noise": 0.1}, epochs=4,
)
'''

FOLLOW = """#!/bin/sh
epoch=0 at=0
if [ -f state-$TRIAL_LAST_EPOCH ]; then read epoch at < state-$TRIAL_LAST_EPOCH; fi
while [ $epoch -lt $TRIAL_UNTIL_EPOCH ]; do
    epoch=$((epoch + 1))
    at=$(awk "BEGIN { srand($TRIAL_SEED % 1000 + $epoch); print $at + $1 * (3 - $at) + $2 * (rand() - 0.5) }")
    echo "$epoch $at" > part.$$ && mv part.$$ state-$epoch
    awk "BEGIN { print \\"{\\\\\\"epoch\\\\\\": $epoch, \\\\\\"loss\\\\\\": \\" ($at - 3) ^ 2 \\"}\\" }"
done
"""

KINDS = ("loop", "program")


def write(folder: Path, kind: str) -> Path:
    """The file of a space of this kind, with what belongs to it."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "program":
        (folder / "follow.sh").write_text(FOLLOW)
        (folder / "follow.sh").chmod(0o755)
    path = folder / f"own_{kind}.py"
    path.write_text(LOOP if kind == "loop" else PROGRAM)
    return path


def settings(path: Path, **more: Any) -> Settings:
    """A search of a file, without the process that imports it first."""
    names = [name for name in (path.name, "follow.sh") if (path.parent / name).exists()]
    travelling = Code({name: File.read(path.parent / name) for name in names})
    code.hold(travelling)
    space = importlib.import_module(path.stem).SPACE
    known = {
        "space_name": path.stem, "space": space, "dataset": "", "dataset_short": "", "fallback": None, "cache": Path(),
        "algorithm": "random", "scheduler": "none", "num_samples": 6, "objective": space.objective, "code": travelling,
    }  # fmt: skip
    return Settings(**(known | more))


def search(folder: Path, asked: Settings) -> ledger.Run:
    """Open or continue a run, and train it to its end, one turn after the other."""
    durable.make_folder(folder)
    with lock.hold(folder):
        run = opening.open_run(folder, asked, None, False)
        opening.tidy(run)
        while is_open(run := confirmation.extend(run)):
            turns, decisions = Turns(run), of_run(run)
            while turn := turns.take():
                train_turn(run, ledger.reread(run, turn.trial), turn.until, decisions)
                turns.end(turn.trial)
            run = ledger.read(folder)
            opening.tidy(run)
    return ledger.read(folder)


def is_open(run: ledger.Run) -> bool:
    return not run.is_planned or not all(trial.ended for trial in run.trials)


def train_turn(run: ledger.Run, trial: ledger.Trial, until: int, decisions: Decisions) -> None:
    """As a worker does it: the last row is reported again."""
    place, record = run.identity.code_of(run.folder.resolve()), run.identity.training
    assert place is not None
    assert record is not None
    code.use(place, run.identity.own_code)
    own = training.rows(
        record, trial.config, trial.objective, trial.seed, "cpu", code=place, folder=trial.folder, until=until
    )
    rows = checkpointing.run(trial.folder, own, until=until)
    with contextlib.closing(rows):
        any(
            decisions.stops(trial.index, row["epoch"], row[trial.objective.column])
            for row in itertools.chain(trial.epochs[-1:], rows)
        )
