"""Score the winner on the test split, after the winner was chosen. Each reading is recorded before it happens."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from analysis.frame import own_code
from search.run import confirmation
from search.run.confirmation import is_complete
from search.run.ledger import Run, Trial
from trainables.config import image_size
from trainables.errors import RunError
from trainables.files import durable
from trainables.files.durable import Record
from trainables.objective import Objective
from trainables.trial import timing

OWN_METRIC = "own_metric"  # among the test metrics of a search by a metric of the user's
WITHOUT_WEIGHTS = (
    "note: the best trial's weights were not kept when the search was smaller, so it is not scored on the test split; "
    "python -m analysis export RUN DIR --retrain trains it again"
)


def reads(run: Run) -> int:
    """The number of different weights that were scored on the test split. The same weights count once."""
    return len({record["weights"] for record in run.tests})


def evaluation(run: Run, index: int, best_epoch: int) -> Record | None:
    """The test metrics of a trial's best epoch, if they are known."""
    done = [record for record in run.tests if record["state"] == "done"]
    own = [
        record
        for record in done
        if "ensemble" not in record and record["trial"] == index and record.get("epoch", best_epoch) == best_epoch
    ]
    metrics: Record | None = own[-1]["metrics"] if own else None
    return metrics


def test_winner(run: Run, cache: Path, caches: Mapping[int, Path] = MappingProxyType({})) -> None:
    """Score the winner of a complete run on the test split, once: the same weights are never evaluated again.

    Nothing happens if there is no winner, no test split, or no kept weights. A note says that the weights were not kept.

    Args:
        cache: folder of the decoded data set that the run was trained on.
        caches: such a folder for each size of images, where images of several sizes were trained on.

    Raises:
        RunError: the winner's weights are missing or damaged, or the cache holds other images.
        StorageError: the record cannot be written; the test split stays closed.
    """
    trial = confirmation.winner(run)
    if trial is None or not is_complete(run) or not run.identity.sizes["test"]:
        return
    if not (trial.folder / "best.json").exists():
        print(WITHOUT_WEIGHTS, file=sys.stderr)
        return
    weights, key = read_weights(trial)
    if any(record["weights"] == key and record["state"] == "done" for record in run.tests):
        return
    assert trial.best is not None, "a finished trial has epochs"
    entry = {"weights": key, "trial": trial.index, "epoch": trial.best["epoch"]}
    durable.append(run.folder / "tests.jsonl", {**entry, "state": "intent"})
    metrics = evaluate(run, trial, weights, caches.get(image_size(trial.config), cache))
    durable.append(run.folder / "tests.jsonl", {**entry, "state": "done", "metrics": metrics})


def read_weights(trial: Trial) -> tuple[bytes, str]:
    """The weights of a trial's best epoch, and their hash.

    Raises:
        RunError: the weights are missing or damaged, or of another epoch than the ledger's best.
    """
    path = trial.folder / "best.safetensors"
    data, epoch = durable.read_checked(path), durable.read_json(path.with_suffix(".json")).get("epoch")
    if trial.best is None or epoch != trial.best["epoch"]:
        raise RunError(f"wrong weights: {path}: of epoch {epoch}, but the ledger has another best. Restore the folder.")
    return data, durable.sha256(data)


def evaluate(run: Run, trial: Trial, weights: bytes, cache: Path) -> dict[str, Any]:
    """The metrics of these weights on the test split, computed as the validation metrics were."""
    import safetensors.torch
    import torch

    from trainables.data import loading
    from trainables.models.networks import build
    from trainables.training import metrics
    from trainables.training.loop import predict

    images = loading.load(cache, fraction=run.identity.fraction)
    if images.fingerprint != run.identity.of_size(images.size)["fingerprint"]:
        raise RunError(
            f"other images: {cache}: fingerprint {images.fingerprint} is not that of {run.folder}. Restore the data."
        )
    device = device_of(trial)
    torch.set_num_threads(run.identity.threads)  # the last bit of bfloat16 depends on it
    own_code.use(run, trial)
    model = build(trial.config, len(images.classes)).to(device)
    model.load_state_dict(safetensors.torch.load(weights))
    split = loading.load_test(cache)
    logits = predict(model, split.images, images, device, run.identity.precision)
    return metrics.evaluate(logits, split.labels) | of_own_metric(run.identity.objective, logits, split.labels)


def of_own_metric(objective: Objective, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """The value of the user's own metric on logits (N, classes), or the error of the metric in words.

    Empty if the search was not ranked by such a metric. The test split has been read by now. So all other metrics are recorded,
    even if this one fails.
    """
    from trainables.training import own_metrics

    if not objective.source:
        return {}
    try:
        return {OWN_METRIC: own_metrics.measure(objective.source, labels, logits.argmax(1))}
    except own_metrics.MetricError as error:
        return {OWN_METRIC: str(error)}


def device_of(trial: Trial) -> str:
    """The device to evaluate on: a GPU if the trial last ran on one and one is available, else the CPU.

    So the evaluation of a search on CPUs leaves GPUs alone.
    """
    from trainables.trial.single import choose_device

    return choose_device("auto" if timing.devices(trial.folder)[-1:] == ["cuda"] else "cpu")
