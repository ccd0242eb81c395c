"""Try a user's own parts before a search begins: train two batches of noise, twice, in a process of its own.

    python -m trainables.trial.rehearsal ANSWER

The command reads a JSON object on stdin: configs (one for each kind of part), classes, metric (or ""), precision, and folder
(of the user's code, or null). It writes a JSON object into the file ANSWER: `error`, the first mistake with the user's file
and line, or null; and `warnings`, a list of lines.
"""

import inspect
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from trainables.cli import child
from trainables.config import image_size
from trainables.data.loading import Dataset, Split
from trainables.errors import SpaceError
from trainables.parts import calling, named, whose
from trainables.parts.family import AUGMENT, FAMILIES, LOSS, METRIC, MODEL, OPTIMIZER, SCHEDULE, Family
from trainables.training import own_metrics
from trainables.training.augmentations import Batch
from trainables.training.definition import Training
from trainables.training.loop import predict_resident
from trainables.training.optimizers import make_optimizer
from trainables.training.shared import pixel_scale, resident, untrained
from trainables.training.step import Step

BATCHES, SIZE = 2, 8
T = TypeVar("T")


def rehearse(
    configs: Sequence[Mapping[str, Any]], classes: int, metric: str = "", precision: str = "fp32"
) -> list[str]:
    """Try each configuration and the metric, and return one warning line for each probable mistake.

    Args:
        precision: of the search. With "bf16" each configuration is tried in "fp32" and in "bf16".

    Raises:
        SpaceError: the first mistake, with the user's file and line.
    """
    found = [line for config in configs for line in of_config(dict(config), noise(classes, image_size(config)))]
    for config in configs if precision == "bf16" else ():
        check_bfloat16(dict(config), noise(classes, image_size(config)))
    if metric:
        check_metric(metric, classes)
    return list(dict.fromkeys(found))


def noise(classes: int, size: int) -> Dataset:
    """A data set of 16 random images of size x size pixels to try parts on, labelled with the first 16 classes at most."""
    count = BATCHES * SIZE
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    split = Split(pixels, np.arange(count) % classes)
    return Dataset(
        name="noise", train=split, val=split, classes=tuple(map(str, range(classes))), mean=(0.5,) * 3, std=(0.25,) * 3,
        fingerprint="", sizes={},
    )  # fmt: skip


def of_config(config: dict[str, Any], data: Dataset) -> Iterator[str]:
    """Try one configuration in float32, and yield the warnings about it."""
    config |= {"batch_size": SIZE}
    training = Training(config, data, seed=0, device="cpu", precision="fp32")
    model = check_model(training)
    check_schedule(config)
    optimizer = check_optimizer(config, model)
    step = guarded(OPTIMIZER, config, "cannot be used", lambda: stepping(training, model, optimizer))
    check_augment(config, step)
    check_loss(config, step, model)
    yield from without_gradient(config, step, model)
    check_states(config, model, optimizer)
    yield from of_repetition(training)


def guarded(family: Family, config: Mapping[str, Any], what: str, call: Callable[[], T]) -> T:
    """The result of a call; an exception becomes a SpaceError of one line that names the user's file and line."""
    try:
        return call()
    except SpaceError as error:
        named_first = f"{calling.chosen(family, config)} "
        if not error.message.startswith(named_first):
            raise  # it has its line
        raise mistake(family, config, error.message.removeprefix(named_first)) from error
    except Exception as error:
        raise mistake(family, config, f"{what}: {said(error)}", whose.place(error)) from error


def said(error: Exception) -> str:
    """The text of an error, with a remedy if the error comes from `view` on images that are stored channels last."""
    text = whose.said(error)
    return f"{text} Or write channels_last = False in the class." if "view size is not compatible" in text else text


def mistake(family: Family, config: Mapping[str, Any], text: str, place: str | None = None) -> SpaceError:
    """The SpaceError for a part. It names the line that raised the error or, if that is unknown, the part's first line."""
    name = calling.chosen(family, config)
    where = place or defined(family, name)
    return SpaceError(f"{family.key} {name} {text}" if where is None else f"{where}: {family.key} {name} {text}")


def defined(family: Family, name: str) -> str | None:
    """FILE:LINE where a user's part is defined, for a network class where its `forward` is; None if there is no such place."""
    if named.is_built_in(name) or named.adapter(name):
        return None
    part: Any = named.load(family, name)
    place = vars(part).get("forward", part) if family is MODEL and inspect.isclass(part) else part
    try:
        file = inspect.getsourcefile(part) or ""
        return f"{Path(file).name}:{inspect.getsourcelines(place)[1]}" if whose.is_users(file) else None
    except (OSError, TypeError):
        return None


def check_model(training: Training) -> nn.Module:
    """Build the network, and check that it has weights and gives logits (N, classes) for several images and for one."""
    config, classes = training.config, len(training.data.classes)
    model = guarded(MODEL, config, "cannot be made", lambda: untrained(training))
    if not any(weight.requires_grad for weight in model.parameters()):
        raise mistake(MODEL, config, "has no weights. Assign its layers to self in __init__.")
    scale, images = pixel_scale(training.data, "cpu"), resident(training.data.val, "cpu")[0]
    for count in (SIZE, 1):
        logits = guarded(MODEL, config, "fails", lambda n=count: predict_resident(model, images[:n], scale, "fp32"))  # type: ignore[misc]
        if tuple(logits.shape) != (count, classes):
            raise mistake(
                MODEL, config,
                f"gives {tuple(logits.shape)} for {count} images, not {(count, classes)}: one number for each class. "
                "Let the last layer have `classes` outputs.",
            )  # fmt: skip
    return model


def check_schedule(config: Mapping[str, Any]) -> None:
    """Check that the schedule gives finite factors of 0 or more at the start, the middle and the end of training."""
    factor = guarded(SCHEDULE, config, "cannot be made", lambda: calling.bound(SCHEDULE, config))
    for done in (0.0, 0.5, 1.0):
        value = guarded(SCHEDULE, config, f"fails at {done}", lambda share=done: factor(share))  # type: ignore[misc]
        if type(value) not in (int, float) or not np.isfinite(value) or value < 0:
            raise mistake(SCHEDULE, config, f"gives {value!r} at {done}, not a number of 0 or more.")


def check_optimizer(config: Mapping[str, Any], model: nn.Module) -> Any:
    """Make the optimizer, and check that it has `param_groups` and `step`, as torch's optimizers have."""

    def made() -> Any:
        found = calling.optimizer(config, model)
        if not hasattr(found, "param_groups") or not hasattr(found, "step"):
            raise mistake(OPTIMIZER, config, f"gives a {type(found).__name__}, not a torch optimizer.")
        return make_optimizer(config, model)

    return guarded(OPTIMIZER, config, "cannot be made", made)


def stepping(training: Training, model: nn.Module, optimizer: Any) -> Step:
    """A training step on the CPU that is ready for the first batch of epoch 1."""
    data = training.data
    step = Step(training, model, optimizer, resident(data.train, "cpu"), pixel_scale(data, "cpu"))
    step.begin(1)
    return step


def batch_of(step: Step) -> Batch:
    images, labels = (part[:SIZE].clone() for part in step.train_set)
    return step.augment(images, labels, step.images)


def check_augment(config: Mapping[str, Any], step: Step) -> None:
    """Check that the augmented images are float (N, 3, S, S) of the size of the configuration, with one label for each."""
    batch = guarded(AUGMENT, config, "fails", lambda: batch_of(step))
    side = image_size(config)
    if tuple(batch.images.shape) != (SIZE, 3, side, side) or not batch.images.is_floating_point():
        got, wanted = f"{batch.images.dtype} {tuple(batch.images.shape)}", f"float (N, 3, {side}, {side})"
        raise mistake(AUGMENT, config, f"gives {got}, not {wanted}. Return uint8 (N, S, S, 3), or normalise(images).")
    if len(batch.labels) != SIZE:
        raise mistake(AUGMENT, config, f"gives {len(batch.labels)} labels for {SIZE} images.")


def check_loss(config: Mapping[str, Any], step: Step, model: nn.Module) -> None:
    """Check that the network trains and that the loss is one finite number that depends on the weights."""
    batch = batch_of(step)
    model.train()
    logits = guarded(MODEL, config, "fails while it is trained", lambda: model(batch.images)).float()
    loss = guarded(LOSS, config, "fails", lambda: step.loss(logits, batch))
    if not isinstance(loss, torch.Tensor) or loss.shape != ():
        got = tuple(loss.shape) if isinstance(loss, torch.Tensor) else type(loss).__name__
        raise mistake(LOSS, config, f"gives {got}, not one number. Return the mean over the images.")
    if not torch.isfinite(loss):
        raise mistake(LOSS, config, f"is {loss.item()} for an untrained network, and must be finite.")
    if not loss.requires_grad:
        raise mistake(LOSS, config, "does not depend on the weights. Leave out detach(), item() and no_grad().")


def without_gradient(config: Mapping[str, Any], step: Step, model: nn.Module) -> Iterator[str]:
    """Train on two batches, and yield a warning if no gradient reaches some of the weights."""
    for size in step.sizes[:BATCHES]:
        guarded(OPTIMIZER, config, "fails in a step", lambda n=size: step(n))  # type: ignore[misc]
    still = [name for name, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
    if still:
        more = f" and {len(still) - 1} more" if len(still) > 1 else ""
        yield f"{MODEL.key} {config['model']}: no gradient reaches {still[0]}{more}; is it used?"


def check_states(config: Mapping[str, Any], model: nn.Module, optimizer: Any) -> None:
    """Check that the states of network and optimizer can be saved and loaded, which continuing a killed trial needs."""
    for family, part in ((MODEL, model), (OPTIMIZER, optimizer)):
        guarded(family, config, "has a state that cannot be saved and read back", lambda p=part: saved(p))  # type: ignore[misc]


def saved(part: Any) -> None:
    """Save a state and load it in the way in which a continued trial loads its state."""
    buffer = io.BytesIO()
    torch.save(part.state_dict(), buffer)
    buffer.seek(0)
    part.load_state_dict(torch.load(buffer, weights_only=True))


def of_repetition(training: Training) -> Iterator[str]:
    """Train twice from the same seed, and yield a warning if the two losses differ."""
    rows = []
    for _ in range(2):
        model = untrained(training)
        step = stepping(training, model, make_optimizer(training.config, model))
        for size in step.sizes[:BATCHES]:
            step(size)
        rows.append(step.totals.tolist())
    if rows[0] != rows[1]:
        own = [calling.chosen(family, training.config) for family in FAMILIES.values()]
        names = ", ".join(name for name in own if not named.is_built_in(name))
        images = sum(step.sizes[:BATCHES])
        yield f"{names}: the same training gave two losses, {rows[0][0] / images:.6g} and {rows[1][0] / images:.6g}"


def check_bfloat16(config: dict[str, Any], data: Dataset) -> None:
    """Check that the configuration can train and predict one batch in bfloat16."""
    config |= {"batch_size": SIZE}
    training = Training(config, data, seed=0, device="cpu", precision="bf16")
    model = untrained(training)
    step = stepping(training, model, make_optimizer(config, model))
    try:
        step(SIZE)
        predict_resident(model, step.train_set[0][:SIZE], pixel_scale(data, "cpu"), "bf16")
    except Exception as error:
        advice = "Write bfloat16=False in the space, or --precision fp32."
        raise mistake(MODEL, config, f"fails in bfloat16: {whose.said(error)} {advice}", whose.place(error)) from error


def check_metric(text: str, classes: int) -> None:
    """Check that a metric gives the same finite number twice for each of three sets of predicted classes.

    In one of these sets all images are predicted as one class, as an untrained network may do.
    """
    labels = np.arange(max(SIZE, 2 * classes)) % classes
    guesses = {
        "all right": labels,
        "all taken for one class": np.zeros_like(labels),
        "each wrong": (labels + 1) % classes,
    }
    for what, predicted in guesses.items():
        try:
            values = [own_metrics.measure(text, labels, predicted) for _ in range(2)]
        except own_metrics.MetricError as error:
            place = whose.place(error.__cause__) if error.__cause__ else None
            raise of_metric(text, f"{error} Tried on {len(labels)} images, {what}.", place) from error
        if values[0] != values[1]:
            raise of_metric(text, f"metric {text} gives {values[0]} and {values[1]} of the same images.")


def of_metric(text: str, said: str, place: str | None = None) -> SpaceError:
    """The SpaceError for a metric. It names the line that raised the error or, if that is unknown, the metric's first line."""
    where = place or defined(METRIC, text)
    return SpaceError(f"{where}: {said}" if where else said)


def main() -> None:
    asked = json.load(sys.stdin)
    answer: dict[str, Any] = {"error": None, "warnings": []}
    if asked["folder"]:
        named.reach(Path(asked["folder"]))
    try:
        answer["warnings"] = rehearse(asked["configs"], asked["classes"], asked["metric"], asked["precision"])
    except SpaceError as error:
        answer["error"] = error.message
    child.answer(answer)


if __name__ == "__main__":
    main()
