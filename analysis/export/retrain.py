"""Train the chosen configuration again, on training and validation images, up to the epoch that was its best."""

import dataclasses
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from search.run.ledger import Run, Trial
from trainables.data.loading import Dataset, Split
from trainables.errors import RunError, StorageError
from trainables.files.durable import Record

SCRATCH = "training"  # folder under the export, from which the same command continues an interrupted training

Images = Callable[[], Dataset]


def retrain(run: Run, trial: Trial, folder: Path, images: Images) -> bytes:
    """Train a trial's configuration again up to the trial's best epoch; return the weights as a safetensors file.

    The learning rate schedule is that of the whole training, so each epoch has the learning rates that it had in the trial. No
    epoch is chosen here: the network is trained on the validation images, so their accuracy says nothing.

    Raises:
        RunError: the training diverged or failed.
    """
    import safetensors.torch
    import torch

    from trainables.training.definition import Training
    from trainables.training.loop import validated
    from trainables.trial import checkpointing as trials
    from trainables.trial import single

    assert trial.best is not None, "a trial that is exported has epochs"
    scratch, facts, epoch = folder / SCRATCH, run.identity, trial.best["epoch"]
    torch.set_num_threads(facts.threads)
    device = single.choose_device("auto")
    data = joined(images())
    claim(
        scratch,
        trial,
        {"fingerprint": data.fingerprint, **{key: getattr(facts, key) for key in ("fraction", "precision", "threads")}},
    )
    print("training on validation images too: what follows says nothing about their accuracy", file=sys.stderr)
    training = Training(
        trial.config, data, seed=trial.seed, device=device, precision=facts.precision, objective=trial.objective
    )
    single.follow(scratch, training, False, until=epoch)
    state = trials.load_state(scratch, training.id, at_most=epoch)
    if state is None or state["epoch"] != epoch:
        raise RunError(f"not trained: {scratch}: it ended before epoch {epoch}. See {scratch}/epochs.jsonl.")
    weights: bytes = safetensors.torch.save({name: value.contiguous() for name, value in validated(state).items()})
    return weights


def claim(scratch: Path, trial: Trial, facts: Record) -> None:
    """Claim the scratch folder: keep an interrupted training of this trial, and remove any other training.

    Raises:
        StorageError: the disk refused.
    """
    from trainables.trial import single

    whole = {"config": trial.configuration, "seed": trial.seed, "images": "training and validation", **facts}
    try:
        single.claim(scratch, whole, trial.config)
    except RunError:
        clear(scratch.parent)
        single.claim(scratch, whole, trial.config)


def joined(data: Dataset) -> Dataset:
    """A data set whose training split holds the training and the validation images."""
    both = Split(
        np.concatenate([data.train.images, data.val.images]), np.concatenate([data.train.labels, data.val.labels])
    )
    return dataclasses.replace(data, train=both, sizes={**data.sizes, "train": len(both.labels)})


def clear(folder: Path) -> None:
    """Remove the scratch folder of a training from an export.

    Raises:
        StorageError: the disk refused.
    """
    scratch = folder / SCRATCH
    if not scratch.exists():
        return
    try:
        shutil.rmtree(scratch)
    except OSError as error:
        raise StorageError(f"cannot remove: {scratch}: {error.strerror}. Remove it; the export is whole.") from error
