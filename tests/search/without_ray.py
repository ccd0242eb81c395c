"""A whole search on images in this process: one turn after the other until all trials have ended."""

import contextlib
from pathlib import Path

from search.run import ledger, opening
from search.run.decisions import of_run
from search.settings import Settings
from search.turns import Turns
from trainables.data.loading import Dataset
from trainables.files import durable
from trainables.training.definition import Training
from trainables.trial import checkpointing


def search(path: Path, asked: Settings, images: Dataset) -> ledger.Run:
    durable.make_folder(path)
    run = opening.open_run(path, asked, images, on_gpu=False)
    turns, decisions, objective = Turns(run), of_run(run), run.identity.objective
    while turn := turns.take():
        one = ledger.reread(run, turn.trial)
        training = Training(one.config, images, seed=one.seed, device="cpu", precision="fp32", objective=objective)
        with contextlib.closing(checkpointing.run(one.folder, training, until=turn.until)) as rows:
            any(decisions.stops(one.index, row["epoch"], row[objective.column]) for row in rows)
        turns.end(turn.trial)
    return ledger.read(path)
