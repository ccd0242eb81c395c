"""What identifies a trial: the names of its hyperparameters, their defaults and rules, and the hash that is its id.

No torch here, so that a bad configuration is refused before anything slow is imported.
"""

import difflib
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from trainables.errors import SpaceError

Config = dict[str, Any]

MODELS: dict[str, Config] = {  # the knobs only this model reads, with their defaults
    "mlp": {"depth": 3, "width": 1024},  # hidden layers; features of the first, halved in each next one
    "convnet": {"depth": 3, "width": 32},  # blocks; channels of the first, doubled in each next one
    "resnet18": {},
    "resnet": {
        "depth": 20,
        "width": 16,
    },  # weighted layers, 6n + 2; channels of the first stage, doubled in each next one
    "speed_net": {"width": 64},  # channels of the first group; the others have four times as many
}
OPTIMIZERS: dict[str, Config] = {  # the knobs only this optimizer reads, with their defaults
    "adamw": {},
    "sgd": {},
    "muon": {"adamw_lr": 3e-3},  # rate of the weights that are no matrices; `lr` is that of the matrices
}
SCHEDULES = ("constant", "cosine", "onecycle")
AUGMENTATIONS = ("none", "flip", "crop", "standard", "cutout", "mixup", "cutmix")
CLASS_WEIGHTS = ("none", "balanced")
LENGTH_DEPENDENT = ("cosine", "onecycle")  # schedules that know the number of epochs, so it cannot grow later

DEFAULTS: Config = {  # read by every model; those of `python -m trainables`
    "model": "resnet18",
    "optimizer": "sgd",
    "lr": 0.1,
    "momentum": 0.9,  # of SGD with Nesterov and of Muon; the first beta of AdamW
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "batch_size": 128,
    "dropout": 0.0,  # probability; after each hidden layer of the mlp, before the classifier of every other model
    "label_smoothing": 0.0,
    "ema": 0.0,  # epochs over which the weights are averaged that are validated and kept; 0 for the weights as they are
    "augment": "standard",
    "class_weight": "none",  # "balanced": in the loss each class counts as much as any other, however many images it has
    "epochs": 30,
}
CHOICES = {
    "model": tuple(MODELS),
    "optimizer": tuple(OPTIMIZERS),
    "schedule": SCHEDULES,
    "augment": AUGMENTATIONS,
    "class_weight": CLASS_WEIGHTS,
}
INTEGERS = {"depth": (1, 1202), "width": (1, 1 << 16), "batch_size": (2, 1 << 20), "epochs": (1, 1 << 20)}
REALS = {  # smallest allowed, largest allowed, whether the smallest itself is
    "lr": (0.0, 1e12, False),
    "adamw_lr": (0.0, 1e12, False),
    "weight_decay": (0.0, 1e12, True),
    "momentum": (0.0, 0.9999, True),
    "dropout": (0.0, 0.9999, True),
    "label_smoothing": (0.0, 0.9999, True),
    "ema": (0.0, 1e12, True),
}
OWN_KEYS = ("depth", "width", "adamw_lr")  # of some model or optimizer
NEUTRAL: Config = {
    "dropout": 0,
    "label_smoothing": 0,
    "ema": 0,
    "class_weight": "none",
}  # optional knobs at the value at which they do nothing
LATER = ("ema", "class_weight")  # those that runs of schema 1 had no word for
KEYS = (*DEFAULTS, *OWN_KEYS)
MOST_BLOCKS = 16  # of an mlp or a convnet


def complete(given: Mapping[str, Any]) -> Config:
    """The whole configuration: what is given, and the default of every other knob that its model and optimizer read.

    Raises:
        SpaceError: an unknown key or value, a value out of range, or a knob that the model or optimizer does not read.
    """
    for key in given:
        if key not in KEYS:
            raise SpaceError(unknown("hyperparameter", key, KEYS))
    config = {**DEFAULTS, **given}
    check_value("model", config["model"])
    check_value("optimizer", config["optimizer"])
    own = MODELS[config["model"]] | OPTIMIZERS[config["optimizer"]]
    config = {**own, **config}
    config = {key: typed(key, value) for key, value in config.items()}
    for key, value in config.items():
        check_value(key, value)
        if key in OWN_KEYS and key not in own:
            raise SpaceError(unread(key, config))
    if "depth" in config:
        check_depth(config["model"], config["depth"])
    return {key: config[key] for key in KEYS if key in config}


def typed(key: str, value: Any) -> Any:
    """A number in the type that its knob has, however it was written: 2 for a width of 2.0, 1.0 for a rate of 1."""
    if key in INTEGERS and type(value) is float and value.is_integer():
        return int(value)
    return float(value) + 0.0 if key in REALS and type(value) in (int, float) else value  # + 0.0: no zero below zero


def unread(key: str, config: Mapping[str, Any]) -> str:
    """The sentence for a knob that belongs to another model or optimizer."""
    what, owners = ("optimizer", OPTIMIZERS) if any(key in own for own in OPTIMIZERS.values()) else ("model", MODELS)
    readers = ", ".join(name for name, own in owners.items() if key in own)
    return f"{key!r} is not read by {config[what]}. Remove it, or choose another {what} ({readers})."


def check_depth(model: str, depth: int) -> None:
    """Refuse a depth that this model cannot have.

    Raises:
        SpaceError: with the nearest depth that it can have.
    """
    if model == "resnet":
        if depth < 8 or depth % 6 != 2:
            nearest = max(8, 6 * round((depth - 2) / 6) + 2)
            raise SpaceError(f"depth of a resnet must be 6n + 2 (20, 32, 44, 56), but got {depth}. Take {nearest}.")
    elif depth > MOST_BLOCKS:
        raise SpaceError(f"depth of {model} must be an integer from 1 to {MOST_BLOCKS}, but got {depth}.")


def check_value(key: str, value: Any) -> None:
    """Refuse a value that no trial could use.

    Raises:
        SpaceError: with the rule, what came, and what would be accepted.
    """
    if key not in KEYS:
        raise SpaceError(unknown("hyperparameter", key, KEYS))
    value = typed(key, value)
    if key in CHOICES:
        if value not in CHOICES[key]:
            raise SpaceError(unknown(key, value, CHOICES[key]))
    elif key in INTEGERS:
        low, high = INTEGERS[key]
        if type(value) is not int or not low <= value <= high:
            raise SpaceError(f"{key} must be an integer from {low} to {high}, but got {value!r}.")
    else:
        least, most, closed = REALS[key]
        real = type(value) in (int, float) and math.isfinite(value) and least <= value <= most
        if not real or (value == least and not closed):
            rule = f"{'at least' if closed else 'above'} {least:g} and at most {most:g}"
            raise SpaceError(f"{key} must be {rule}, but got {value!r}.")


def unknown(what: str, given: object, known: Iterable[str]) -> str:
    """The sentence for a name that does not exist: the closest one, and all of them."""
    known = list(known)
    return f"unknown {what} {given!r}.{suggestion(given, known)} Known: {', '.join(known)}."


def suggestion(given: object, known: Iterable[str]) -> str:
    """The question whether the closest name was meant, with a space before it; nothing if none is close."""
    close = closest(given, known)
    return f" Did you mean {close[0]!r}?" if close else ""


def closest(given: object, known: Iterable[str], most: int = 1, cutoff: float = 0.5) -> list[str]:
    """The names most like what was given, best first, whatever the case of the letters."""
    by_fold: dict[str, list[str]] = {}
    for name in known:
        by_fold.setdefault(name.casefold(), []).append(name)
    alike = difflib.get_close_matches(str(given).casefold(), by_fold, most, cutoff)
    return [name for fold in alike for name in by_fold[fold]][:most]


def canonical(value: Any) -> Any:
    """One number for all numbers that are equal: 1 for 1.0 and 1e0, 0 for -0.0. What is no number stays as it is."""
    return int(value) if type(value) is float and value.is_integer() else value


def key_of(config: Mapping[str, Any]) -> str:
    """The same text for the same configuration, and for no other: THE equality of configurations.

    Numbers count by their value, keys in any order, knobs that do nothing not at all, and however long it is trained.
    """
    facts = {key: canonical(value) for key, value in config.items() if key != "epochs"}
    told = {key: value for key, value in facts.items() if not (key in NEUTRAL and is_same(value, NEUTRAL[key]))}
    return json.dumps(told, sort_keys=True, allow_nan=False)


def is_same(first: Any, second: Any) -> bool:
    """Whether two canonical values are one: True is not 1."""
    return type(first) is type(second) and bool(first == second)


def trial_id(config: Mapping[str, Any], seed: int) -> str:
    """Six hex digits that name a configuration and its seed."""
    return short(f"{key_of(config)} {seed}")


def trial_id_of_schema_1(config: Mapping[str, Any], seed: int) -> str:
    """The same as it was in runs of schema 1, where 1 and 1.0 were two configurations."""
    told = {key: value for key, value in config.items() if not (key in LATER and value == NEUTRAL[key])}
    facts = {key: value for key, value in told.items() if key != "epochs"}
    return short(json.dumps([facts, seed], sort_keys=True, allow_nan=False))


def short(text: str) -> str:
    """Six hex digits of its hash."""
    return hashlib.sha256(text.encode()).hexdigest()[:6]
