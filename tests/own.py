"""Code of a user's, for tests: a loop, a program and a network that take milliseconds, searched without Ray."""

import importlib
import random
from collections.abc import Generator
from pathlib import Path
from typing import Any

from search.run import confirmation, ledger, lock, opening
from search.run.decisions import of_run
from search.settings import Settings
from search.turns import Turns
from trainables.data.loading import Dataset
from trainables.files import durable
from trainables.files.durable import Record
from trainables.own import code, training
from trainables.own.code import Code, File
from trainables.training.definition import Training
from trainables.trial import checkpointing
from trainables.trial.rows import Rows

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

MODEL = '''
"""A network with a loss of its own, on images; its weights are averaged."""
from torch import nn
from spaces import Space, choice, loguniform


class Net(nn.Module):
    def __init__(self, classes: int, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3072, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, classes))

    def forward(self, images):
        return self.layers(images)


def smoothed(logits, labels, smoothing: float = 0.1):
    return nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)


SPACE = Space(
    params={"model": Net, "loss": smoothed, "width": choice(4, 8), "lr": loguniform(1e-3, 1e-1), "augment": "none",
            "schedule": "constant", "batch_size": 20, "ema": 1.0},
    baseline={"width": 8, "lr": 1e-2}, epochs=4,
)
'''

KINDS = ("loop", "program")  # that train by themselves
ALL = (*KINDS, "model")
TEXTS = {"loop": LOOP, "program": PROGRAM, "model": MODEL}


def write(folder: Path, kind: str) -> Path:
    """The file of a space of this kind, with what belongs to it."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "program":
        (folder / "follow.sh").write_text(FOLLOW)
        (folder / "follow.sh").chmod(0o755)
    path = folder / f"own_{kind}.py"
    path.write_text(TEXTS[kind])
    return path


def settings(path: Path, **more: Any) -> Settings:
    """A search of a file, without the process that imports it first."""
    names = [name for name in (path.name, "follow.sh") if (path.parent / name).exists()]
    travelling = Code({name: File.read(path.parent / name) for name in names})
    code.hold(travelling)
    space = importlib.import_module(path.stem).SPACE
    name = "" if space.is_own else "toy"
    known = {
        "space_name": path.stem, "space": space, "dataset": name, "dataset_short": name, "fallback": None, "cache": Path(),
        "algorithm": "random", "scheduler": "none", "num_samples": 6, "objective": space.objective, "code": travelling,
        "precision": "auto" if space.is_own else "fp32",
    }  # fmt: skip
    return Settings(**(known | more))


def search(folder: Path, asked: Settings, images: Dataset | None = None, workers: int = 1) -> ledger.Run:
    """Open or continue a run, and train it to its end; a network on these images.

    Args:
        workers: turns at a time, which advance by an epoch in an order of chance.
    """
    durable.make_folder(folder)
    with lock.hold(folder):
        run = opening.open_run(folder, asked, images, False)
        opening.tidy(run)
        while is_open(run := confirmation.extend(run)):
            attempt(run, images, workers)
            run = ledger.read(folder)
            opening.tidy(run)
    return ledger.read(folder)


def is_open(run: ledger.Run) -> bool:
    return not run.is_planned or not all(trial.ended for trial in run.trials)


def attempt(run: ledger.Run, images: Dataset | None, workers: int) -> None:
    """Turns until none is left."""
    turns, decisions, dice, active = Turns(run), of_run(run), random.Random(workers), []
    while True:
        while len(active) < workers and (turn := turns.take()):
            active.append((turn.trial, turn_of(run, ledger.reread(run, turn.trial), turn.until, images)))
        if not active:
            return
        index, rows = active[place := dice.randrange(len(active))]
        row = next(rows, None)
        if row is None or decisions.stops(index, row["epoch"], row[run.identity.objective.column]):
            rows.close()
            turns.end(index)
            del active[place]


def turn_of(run: ledger.Run, trial: ledger.Trial, until: int, images: Dataset | None) -> Generator[Record]:
    """The rows that a worker reports, the last one that there is first."""
    place, record = run.identity.code_of(run.folder.resolve()), run.identity.training
    assert place is not None
    code.use(place, run.identity.own_code)
    own: Training | Rows
    if images:
        own = Training(trial.config, images, seed=trial.seed, device="cpu", precision="fp32", objective=trial.objective)
    else:
        assert record is not None
        own = training.rows(
            record, trial.config, trial.objective, trial.seed, "cpu", code=place, folder=trial.folder, until=until
        )
    is_exact = not run.changes  # as attempts.make_job has it
    yield from trial.epochs[-1:]
    yield from checkpointing.run(trial.folder, own, until=until, exact=is_exact)
