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
}
OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("constant", "cosine", "onecycle")
AUGMENTATIONS = ("none", "flip", "crop", "standard", "cutout", "mixup", "cutmix")
LENGTH_DEPENDENT = ("cosine", "onecycle")  # schedules that know the number of epochs, so it cannot grow later

DEFAULTS: Config = {  # read by every model; those of `python -m trainables`
    "model": "resnet18",
    "optimizer": "sgd",
    "lr": 0.1,
    "momentum": 0.9,  # of SGD with Nesterov; the first beta of AdamW
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "batch_size": 128,
    "dropout": 0.0,  # probability; before the classifier of resnet18 and convnet, after each hidden layer of the mlp
    "label_smoothing": 0.0,
    "augment": "standard",
    "epochs": 30,
}
CHOICES = {"model": tuple(MODELS), "optimizer": OPTIMIZERS, "schedule": SCHEDULES, "augment": AUGMENTATIONS}
INTEGERS = {"depth": (1, 16), "width": (1, 1 << 16), "batch_size": (2, 1 << 20), "epochs": (1, 1 << 20)}
REALS = {  # smallest allowed, largest allowed, whether the smallest itself is
    "lr": (0.0, 1e12, False),
    "weight_decay": (0.0, 1e12, True),
    "momentum": (0.0, 0.9999, True),
    "dropout": (0.0, 0.9999, True),
    "label_smoothing": (0.0, 0.9999, True),
}
KEYS = (*DEFAULTS, "depth", "width")


def complete(given: Mapping[str, Any]) -> Config:
    """The whole configuration: what is given, and the default of every other knob that its model reads.

    Raises:
        SpaceError: an unknown key or value, a value out of range, or a knob that the model does not read.
    """
    for key in given:
        if key not in KEYS:
            raise SpaceError(unknown("hyperparameter", key, KEYS))
    config = {**DEFAULTS, **given}
    check_value("model", config["model"])
    config = {**MODELS[config["model"]], **config}
    for key, value in config.items():
        check_value(key, value)
        if key in INTEGERS and key not in DEFAULTS and key not in MODELS[config["model"]]:
            raise SpaceError(f"{key!r} is not read by {config['model']}. Remove it, or choose another model.")
    return {key: config[key] for key in KEYS if key in config}


def check_value(key: str, value: Any) -> None:
    """Refuse a value that no trial could use.

    Raises:
        SpaceError: with the rule, what came, and what would be accepted.
    """
    if key not in KEYS:
        raise SpaceError(unknown("hyperparameter", key, KEYS))
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
    close = difflib.get_close_matches(str(given), known, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"unknown {what} {given!r}.{hint} Known: {', '.join(known)}."


def trial_id(config: Mapping[str, Any], seed: int) -> str:
    """Six hex digits that name a configuration and its seed, whatever the number of epochs and the order of keys."""
    facts = {key: value for key, value in config.items() if key != "epochs"}
    text = json.dumps([facts, seed], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def derive(*parts: int | str) -> int:
    """A seed (63 bits) hashed from parts: unlike a sum, no two different lists of parts meet."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
