"""`python -m trainables`: train one trial with a progress bar, and print its metrics at the end."""

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trainables.config import LATER, NEUTRAL, Config, image_size, knows_its_end
from trainables.data import census, loading
from trainables.data.held_out.folds import Fold
from trainables.data.names import CROP
from trainables.errors import RunError, UsageError
from trainables.files import durable
from trainables.files.durable import Record
from trainables.hardware import memory
from trainables.hardware.precision import resolve
from trainables.models.networks import build
from trainables.objective import ACCURACY, Objective
from trainables.parts import calling
from trainables.parts.family import FAMILIES
from trainables.training import metrics
from trainables.training.definition import Training
from trainables.training.loop import predict
from trainables.trial import checkpointing, per_class, rehearsal, timing
from trainables.written import plural

FACTS = "trial.json"  # what a kept trial was started with


def train_single(
    out: Path | None,
    config: Config,
    dataset: str,
    data_dir: Path,
    *,
    skip_bad: bool = False,
    group_by: str | None = None,
    resize: str = CROP,
    fraction: float,
    fold: Fold | None = None,
    seed: int,
    precision: str,
    threads: int,
    device: str,
    test: bool,
    quiet: bool,
    objective: Objective = ACCURACY,
) -> None:
    """Train or continue one trial, and print the metrics of its best epoch by the objective.

    Raises:
        RunError: `out` holds another trial or other files, or the trial failed.
        DataError: the images cannot be loaded.
    """
    name, fallback = loading.resolve(dataset, data_dir)
    if fallback:
        print(fallback, file=sys.stderr)
    cache = loading.prepare(
        name, data_dir, skip_bad=skip_bad, group_by=group_by, resize=resize, image_size=image_size(config),
        progress=not quiet,
    )  # fmt: skip
    images = loading.load(cache, fraction=fraction, fold=fold)
    loading.tell_lost_classes(images)
    if test and out is None and len(images.classes) > per_class.SHOWN:
        print(f"note: --out DIR would keep the accuracy of each of {len(images.classes):,} classes", file=sys.stderr)
    device = choose_device(device)
    arithmetic = resolve(precision, device == "cuda")
    own = [] if calling.is_all_built_in(config, FAMILIES) else [config]
    for line in rehearsal.rehearse(own, len(images.classes), objective.source, arithmetic):
        print(f"warning: {line}", file=sys.stderr)
    torch.set_num_threads(threads)
    memory.keep_freed()
    with contextlib.nullcontext(out) if out else temporary_folder() as folder:
        training = Training(config, images, seed=seed, device=device, precision=arithmetic, objective=objective)
        refuse_other_device(folder, device)
        claim(folder, facts_of(training, dataset=name, fraction=fraction, threads=threads), config)
        follow(folder, training, quiet)
        print_validation(folder, training, is_kept=out is not None)
        if test and not images.sizes["test"]:
            print("note: there are no test images, so --test prints no score", file=sys.stderr)
        elif test:
            print_test(folder, training, cache, is_kept=out is not None)


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="trial-") as folder:
        yield Path(folder)


def choose_device(device: str) -> str:
    """The device to use, for "auto" cuda if torch sees a GPU. Raise UsageError for "cuda" if torch sees none."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no GPU on this machine. Use --device cpu.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def facts_of(training: Training, *, dataset: str, fraction: float, threads: int) -> Record:
    """The facts that identify a trial in a folder, without its number of epochs."""
    return {
        "config": {key: value for key, value in training.config.items() if key != "epochs"},
        "dataset": dataset, "fingerprint": training.data.fingerprint, "fraction": fraction, "seed": training.seed,
        "precision": training.precision, "threads": threads, "objective": training.objective.record(),
        "fold": str(training.data.fold) if training.data.fold else None,
    }  # fmt: skip


def claim(folder: Path, facts: Record, config: Config) -> None:
    """Write the facts of the trial into its folder, or check that the folder holds this trial; only `epochs` may grow.

    Raises:
        RunError: the folder holds another trial or other files, or the number of epochs cannot change in this way.
    """
    epochs: int = config["epochs"]
    durable.make_folder(folder)
    if not (folder / FACTS).exists():
        if any(
            not path.name.startswith(f".{FACTS}.") for path in folder.iterdir()
        ):  # a killed write leaves such a file
            raise RunError(f"not a trial: {folder}: it holds other files. Choose another --out.")
        durable.write_json(folder / FACTS, {**facts, "epochs": epochs})
        return
    found = {"objective": ACCURACY.record(), **durable.read_json(folder / FACTS)}  # older trials have no objective
    same = {
        "config": found["config"],
        "dataset": found.get("dataset"),
    }  # the fingerprint identifies the images, not the path
    changed = changes({key: NEUTRAL[key] for key in LATER} | found["config"], facts["config"]) + changes(
        found, facts | same
    )
    if changed:
        raise RunError(f"another trial: {folder}: {'; '.join(changed)}. Choose another --out.")
    is_sized = "own_code" not in facts and knows_its_end(config["schedule"])  # own training may mean anything by it
    if epochs < found["epochs"] or (epochs > found["epochs"] and is_sized):
        why = "shorter" if epochs < found["epochs"] else f"longer: the {config['schedule']} schedule is sized for them"
        raise RunError(
            f"another length: {folder}: {plural(found['epochs'], 'epoch')} cannot become {why}. Choose another --out."
        )
    if epochs > found["epochs"]:
        durable.write_json(folder / FACTS, {**facts, "epochs": epochs})


def refuse_other_device(folder: Path, device: str) -> None:
    """Raise RunError if the trial last ran on another kind of device: its numbers could not be continued exactly."""
    before = timing.devices(folder)[-1:]
    if before and before != [device]:
        raise RunError(
            f"another device: {folder}: {before[0]}, not {device}. Use --device {before[0]} or another --out."
        )


def changes(found: Record, asked: Record) -> list[str]:
    """One line for each asked value that differs from the value found."""
    return [f"{key} {found.get(key)!r} is now {asked[key]!r}" for key in asked if found.get(key) != asked[key]]


def follow(folder: Path, training: Training, quiet: bool, until: int | None = None) -> None:
    """Train to the end, or to the epoch `until`, with one line per epoch, and on a terminal a bar over its batches."""
    console = Console(stderr=True, quiet=quiet)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("batches"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("training", total=None)  # unknown until the first batch: ?, not rich's 100

        def show_batch(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        rows = checkpointing.run(folder, training, until=until, on_batch=show_batch if console.is_terminal else None)
        for row in rows:
            console.print(row_line(row, training.config["epochs"]), highlight=False, soft_wrap=True)


def row_line(row: Record, epochs: int) -> str:
    """The line of an epoch: its number, every metric of its row, and the learning rate last."""
    metrics = [f"{key} {value:.4f}" for key, value in row.items() if key not in ("epoch", "lr")]
    return "  ".join([f"epoch {row['epoch']}/{epochs}", *metrics, f"lr {row['lr']:.2e}"])


def print_validation(folder: Path, training: Training, *, is_kept: bool) -> None:
    """Print the outcome and the best epoch on stdout, and for unbalanced classes the accuracy of the most common class.

    Raises:
        RunError: the trial failed.
    """
    rows, images = checkpointing.committed_rows(folder), training.data
    outcome = durable.read_lines(folder / "epochs.jsonl")[-1]
    if outcome.get("outcome") == "failed":
        step = (
            f"Read {folder}/error.txt; then choose another --out" if is_kept else "Use --out DIR and read DIR/error.txt"
        )
        raise RunError(f"failed: {outcome['where']}: {outcome['error']}. {step}.")
    if best := training.objective.best_epoch(rows):
        print_metrics({"outcome": outcome["outcome"], "best_epoch": best["epoch"], **best}, skip=("epoch",))
        print_majority("val", census.of_classes(images.val.labels, len(images.classes)))
    if outcome["outcome"] == "diverged":
        print(f"diverged in epoch {outcome['epoch']}: the loss is not finite; try a smaller --lr", file=sys.stderr)


def print_majority(split: str, counts: list[int]) -> None:
    """Print the accuracy of always predicting the most common class, if the classes are unbalanced."""
    if census.is_lopsided(counts):
        print_metrics({f"{split}_majority": census.majority(counts)})


def print_test(folder: Path, training: Training, cache: Path, *, is_kept: bool) -> None:
    """Print the test metrics of the best epoch. Many classes are summarised; a kept folder gets the whole table as a file."""
    if not (folder / "best.safetensors").exists():
        return
    weights = durable.read_checked(folder / "best.safetensors")
    images, device = training.data, training.device
    model = build(training.config, len(images.classes)).to(device)
    model.load_state_dict(safetensors.torch.load(weights))
    durable.append(folder / "tests.jsonl", {"weights": durable.sha256(weights), "state": "intent"})
    split = loading.load_test(cache)
    found = metrics.evaluate(predict(model, split.images, images, device, training.precision), np.asarray(split.labels))
    durable.append(folder / "tests.jsonl", {"weights": durable.sha256(weights), "state": "done", "metrics": found})
    answers = per_class.Answers(images.classes, found.pop("per_class_accuracy"), found.pop("confusion_matrix"))
    print_metrics({f"test_{key}": value for key, value in found.items() if value is not None})
    print_majority("test", answers.images)
    print(*per_class.lines(answers), sep="\n")
    if is_kept and len(images.classes) > per_class.SHOWN:
        durable.write(folder / per_class.FILE, per_class.as_csv(answers))
        print(f"  all of them: {folder / per_class.FILE}")


def print_metrics(found: Record, skip: tuple[str, ...] = ()) -> None:
    for key, value in found.items():
        if key not in skip:
            print(f"{key:<20} {value:.4f}" if isinstance(value, float) and key != "lr" else f"{key:<20} {value}")
