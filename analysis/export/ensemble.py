"""The average of several networks: the softmax outputs of the best trials, scored on validation and, once, on test."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.export.bundle import KEPT
from analysis.frame import own_code
from analysis.frame.dataframe import Row
from analysis.ranking import test_scores
from analysis.render.blocks import Table
from analysis.render.markdown import NOTHING, percent, rendered
from analysis.results import next_step, page
from analysis.results.rows import as_csv, as_json
from search.run import lock
from search.run.confirmation import is_complete
from search.run.ledger import Run, Trial
from trainables import written
from trainables.config import Config
from trainables.errors import RunError, UsageError
from trainables.files import durable
from trainables.files.durable import Record
from trainables.objective import ACCURACY, LOSS, Objective
from trainables.written import plural

if TYPE_CHECKING:
    from trainables.data.loading import Dataset, Split

CacheOf = Callable[[Config], Path]


def score(run: Run, size: int, cache_of: CacheOf, form: str) -> str:
    """Score the ensemble of the best `size` finished trials; return its scores and its members' scores as md, csv or json.

    Before the test split is read, an entry is written to tests.jsonl, keyed by the hash of all members' weights. If tests.jsonl
    already has the test scores of the same members, the test split is not read again.

    Args:
        cache_of: the folder of the decoded images that a configuration was trained on.

    Raises:
        UsageError: `size` is less than two.
        RunError: the search is not complete, has folds or no test images, or has not kept the weights of `size` trials.
        StorageError: the record cannot be written; the test split stays closed.
        LockedError: another process works on the run.
    """
    trials = members(run, size)
    weights = [test_scores.read_weights(trial) for trial in trials]
    key = durable.sha256("".join(sorted(own for _, own in weights)).encode())
    with lock.hold(run.folder):
        on_val, on_test = evaluate(run, trials, [data for data, _ in weights], key, cache_of)
    row: Row = {"id": f"ensemble-{key[:6]}", "members": [trial.id for trial in trials]}
    objective = run.identity.objective
    row |= {objective.column: on_val, "test_accuracy": on_test["accuracy"]}
    rows = [row, *(single(run, trial) for trial in trials)]
    if form == "json":
        return as_json(rows)
    if form == "csv":
        return as_csv([{**each, "members": " ".join(each["members"])} for each in rows])
    cells = tuple((name(each), written.number(objective, each[objective.column]), test(each)) for each in rows)
    on_test_split = written.heading(ACCURACY, "test" if objective.is_accuracy else "test accuracy")
    return rendered((Table(("network", written.heading(objective), on_test_split), cells, "lrr"),)) + "\n"


def members(run: Run, size: int) -> list[Trial]:
    """The best `size` finished trials, all with kept weights.

    Raises:
        UsageError: `size` is less than two.
        RunError: there is no such ensemble, or it has no test images to be scored on.
    """
    if size < 2:
        raise UsageError(f"--ensemble must be at least 2, but got {size}.")
    if run.identity.folds:
        raise RunError(
            f"no ensemble: {run.folder}: with folds each network was validated on images that others were trained on. "
            "Leave out --ensemble."
        )
    if not run.identity.sizes["test"]:
        raise RunError(f"no test images: {run.folder}: an ensemble has nothing to be scored on. Leave out --ensemble.")
    if not is_complete(run):
        raise RunError(f"not complete: {run.folder}: the best are not known yet. {next_step.of_run(run)}")
    ranked = page.rank(run)
    best = ranked[ranked["status"] == "finished"]["index"].astype(int).tolist()[:size]
    if not best:
        raise RunError(f"too few networks: {run.folder}: {next_step.came_to(run)}. {next_step.of_run(run)}")
    if len(best) == 1:
        raise RunError(
            f"too few networks: {run.folder}: 1 trial finished. Search with more trials, or export that one."
        )
    if len(best) < size:
        raise RunError(f"too few networks: {run.folder}: {len(best)} trials finished. Use --ensemble {len(best)}.")
    trials = [next(trial for trial in run.trials if trial.index == index) for index in best]
    kept = [trial for trial in trials if (trial.folder / KEPT).exists()]
    if len(kept) < size:
        fewer = f"Use --ensemble {len(kept)}, or search again" if len(kept) > 1 else "Search again"
        raise RunError(
            f"too few networks: {run.folder}: weights of {len(kept)} of the best {size} finished trials are kept. "
            f"{fewer} with --name NEW and a larger --keep-best."
        )
    return trials


def evaluate(run: Run, trials: list[Trial], weights: list[bytes], key: str, cache_of: CacheOf) -> tuple[float, Record]:
    """The ensemble's value of the objective on the validation split, and its metrics on the test split."""
    from trainables.data import loading
    from trainables.training import metrics

    caches = [cache_of(trial.config) for trial in trials]
    images = [loading.load(cache, fraction=run.identity.fraction) for cache in caches]
    chances = average(run, trials, weights, images, [each.val for each in images])
    on_val = value(run.identity.objective, chances, images[0].val.labels)
    tests = durable.read_lines(run.folder / "tests.jsonl")
    known = [line for line in tests if line["weights"] == key and line["state"] == "done"]
    if known:
        return on_val, known[-1]["metrics"]
    best = trials[0]
    assert best.best is not None, "a finished trial has epochs"
    entry = {"weights": key, "trial": best.index, "epoch": best.best["epoch"], "ensemble": [t.index for t in trials]}
    durable.append(run.folder / "tests.jsonl", {**entry, "state": "intent"})
    splits = [loading.load_test(cache) for cache in caches]
    on_test_images = average(run, trials, weights, images, splits)
    on_test = metrics.evaluate(on_test_images, splits[0].labels)
    on_test |= test_scores.of_own_metric(run.identity.objective, on_test_images, splits[0].labels)
    durable.append(run.folder / "tests.jsonl", {**entry, "state": "done", "metrics": on_test})
    return on_val, on_test


def value(objective: Objective, probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The value of the objective for probabilities (N, classes) of the validation images, computed as for a trial's epochs."""
    import torch
    import torch.nn.functional as F

    from trainables.training import own_metrics
    from trainables.training.class_metrics import measure

    if objective == LOSS:
        return F.nll_loss(torch.from_numpy(probabilities).log(), torch.tensor(labels)).item()
    if objective.source:
        return own_metrics.measure(objective.source, labels, probabilities.argmax(1))
    return measure(objective.column, labels, probabilities.argmax(1), probabilities.shape[1])


def average(
    run: Run, trials: list[Trial], weights: list[bytes], images: "list[Dataset]", splits: "list[Split]"
) -> np.ndarray:
    """Mean probabilities over trials, float64 (N, classes), for the images of a split; each trial has its own image size."""
    import safetensors.torch
    import torch

    from trainables.models.networks import build
    from trainables.training.loop import predict

    torch.set_num_threads(run.identity.threads)  # as while it was trained
    classes = len(run.identity.classes)
    total = np.zeros((len(splits[0].labels), classes))
    for trial, data, own, split in zip(trials, weights, images, splits, strict=True):
        device = test_scores.device_of(trial)
        own_code.use(run, trial)
        model = build(trial.config, classes).to(device)
        model.load_state_dict(safetensors.torch.load(data))
        logits = predict(model, split.images, own, device, run.identity.precision)
        total += torch.from_numpy(logits).double().softmax(1).numpy()
    return total / len(trials)


def single(run: Run, trial: Trial) -> Row:
    """The row of one member alone; its test accuracy is None unless the member was already scored on the test split."""
    assert trial.best is not None, "a finished trial has epochs"
    metrics = test_scores.evaluation(run, trial.index, trial.best["epoch"])
    return {
        "id": trial.id,
        "members": [trial.id],
        trial.objective.column: trial.value,
        "test_accuracy": metrics["accuracy"] if metrics else None,
    }


def name(row: Row) -> str:
    return f"average of {plural(len(row['members']), 'network')}" if len(row["members"]) > 1 else str(row["id"])


def test(row: Row) -> str:
    return NOTHING if row["test_accuracy"] is None else percent(row["test_accuracy"])
