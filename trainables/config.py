"""The configuration of a trial: the names, defaults and rules of its hyperparameters, and the hash that is its id.

The tables are made from the signatures of the parts (trainables/parts), whose sources are read and not imported. Nothing here
imports torch, so that a bad configuration is refused before any slow import.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from trainables.errors import SpaceError
from trainables.parts import named
from trainables.parts.bounds import Bounds, between
from trainables.parts.family import AUGMENT, FAMILIES, LOSS, MODEL, OPTIMIZER, SCHEDULE, built_in
from trainables.parts.signature import Knob, Signature
from trainables.suggestions import closest as closest
from trainables.suggestions import suggestion as suggestion
from trainables.suggestions import unknown as unknown

Config = dict[str, Any]
IMAGE_SIZE = 32  # pixels of an image's height and width, unless a configuration says otherwise

TRAINER: Signature = {  # the knobs that the epoch loop reads; a part with such a parameter gets the same value
    "batch_size": Knob("batch_size", int, 128, between(2, 1 << 20)),
    "ema": Knob("ema", float, 0.0, between(0.0, 1e12)),  # epochs over which the kept weights are averaged; 0 for none
    "epochs": Knob("epochs", int, 30, between(1, 1 << 20)),
    "image_size": Knob("image_size", int, IMAGE_SIZE, between(16, 1024)),  # pixels of height and width
}
SHARED = ("lr", "momentum", "weight_decay", *TRAINER)  # one value for every part that reads it
MODELS, OPTIMIZERS, SCHEDULES, AUGMENTATIONS, LOSSES = (
    built_in(family) for family in (MODEL, OPTIMIZER, SCHEDULE, AUGMENT, LOSS)
)
CHOICES = {key: tuple(built_in(family)) for key, family in FAMILIES.items()}
ORDER = (
    "model", "optimizer", "lr", "momentum", "weight_decay", "schedule", "batch_size", "dropout", "label_smoothing", "ema",
    "augment", "class_weight", "image_size", "epochs", "loss",
)  # fmt: skip
NEUTRAL: Config = {
    "dropout": 0,
    "label_smoothing": 0,
    "ema": 0,
    "class_weight": "none",
    "image_size": IMAGE_SIZE,
    "loss": LOSS.default,
}  # the values with which these knobs have no effect
LATER = ("ema", "class_weight", "image_size")  # knobs that runs of schema 1 do not have


Readers = dict[str, list[Knob]]  # by the name of a knob, the knobs of all parts that have one of this name


def readers(parts: Iterable[Signature]) -> Readers:
    """The knobs of these parts and of the trainer, by their names."""
    found: Readers = {name: [knob] for name, knob in TRAINER.items()}
    for part in parts:
        for name, knob in part.items():
            found.setdefault(name, []).append(knob)
    return found


BUILT_IN = readers(part for family in FAMILIES.values() for part in built_in(family).values())
KEYS = tuple(dict.fromkeys((*ORDER, *BUILT_IN)))


def complete(given: Mapping[str, Any]) -> Config:
    """The whole configuration: the given values, and the defaults of all other knobs that its parts read.

    Raises:
        SpaceError: a key or value is unknown, a value is out of range, no part reads a knob, or a knob has no value.
    """
    parts = {key: named.canonical(given.get(key, family.default)) for key, family in FAMILIES.items()}
    signatures = {key: named.signature_of(FAMILIES[key], text) for key, text in parts.items()}
    known = knobs(signatures)
    values = {plain(key, known): value for key, value in given.items() if key not in FAMILIES}
    for key in values:
        if key not in known:
            raise SpaceError(unread(key, parts, known))
    found: Config = {key: text for key, text in parts.items() if key != LOSS.key or text != LOSS.default}
    for key, whose in known.items():
        found[key] = valued(key, {parts.get(family, ""): knob for family, knob in whose.items()}, values)
    return {key: found[key] for key in (*ORDER, *found) if key in found}


def knobs(signatures: Mapping[str, Signature]) -> dict[str, dict[str, Knob]]:
    """The knobs of a configuration with these parts: for each key the knob of each kind of part that reads it.

    A name that two kinds of parts have gives two keys, such as `model.dropout` and `loss.dropout`, unless it is one of SHARED.
    The kind of the trainer's own knobs is "".
    """
    found: dict[str, dict[str, Knob]] = {name: {"": knob} for name, knob in TRAINER.items()}
    for family, signature in signatures.items():
        for name, knob in signature.items():
            others = [other for other, theirs in signatures.items() if other != family and name in theirs]
            key = f"{family}.{name}" if others and name not in SHARED else name
            found.setdefault(key, {})[family] = knob
    return found


def plain(key: str, known: Mapping[str, Any]) -> str:
    """The shortest spelling of a key: `depth` for `model.depth` if no other part has a depth."""
    family, _, name = key.rpartition(".")
    return name if family and key not in known and family in known.get(name, ()) else key


def valued(key: str, whose: Mapping[str, Knob], values: Mapping[str, Any]) -> Any:
    """The value of a knob: the given value, or the default of the first part that has a default.

    Raises:
        SpaceError: a part cannot take the value, or there is no value.
    """
    defaults = [knob.default for knob in whose.values() if not knob.is_required]
    if key not in values and not defaults:
        raise SpaceError(f"{key!r} of {next(iter(whose))} has no default. Search it, or fix it: {key!r}: VALUE.")
    value = values.get(key, defaults[0] if defaults else None)
    for part, knob in whose.items():
        is_clear = key in SHARED or (key in BUILT_IN and len(rules(BUILT_IN[key])) == 1 and named.is_built_in(part))
        knob.check(value, "" if is_clear else f" of {part}")
        value = knob.typed(value)
    return value


def unread(key: str, parts: Mapping[str, str], known: Mapping[str, Any]) -> str:
    """The error for a key that two of these parts read, that none of them reads, or that does not exist."""
    if two := [each for each in known if each.endswith(f".{key}")]:
        return (
            f"{key!r} is read by {' and by '.join(each.partition('.')[0] for each in two)}. Write {' or '.join(two)}."
        )
    for family in FAMILIES.values():
        if owners := [name for name, own in built_in(family).items() if key in own]:
            return (
                f"{key!r} is not read by {parts[family.key]}. "
                f"Remove it, or choose another {family.key} ({', '.join(owners)})."
            )
    return unknown("hyperparameter", key, dict.fromkeys((*known, *KEYS)))


def check_value(key: str, value: Any, own: Readers | None = None) -> None:
    """Refuse a value that no trial could use, whatever its parts.

    Args:
        own: knobs of parts that are not built in, by their names.

    Raises:
        SpaceError: the key is unknown or no part accepts the value; the message has the rule and the value.
    """
    if key in FAMILIES:
        named.check(FAMILIES[key], value)
        return
    family, _, name = key.rpartition(".")
    whose = BUILT_IN.get(name, []) + (own or {}).get(name, [])
    if not whose or family not in ("", *FAMILIES):
        raise SpaceError(unknown("hyperparameter", key, dict.fromkeys((*KEYS, *(own or {})))))
    if not any(accepts(knob, value) for knob in (*whose, widest(whose))):
        raise SpaceError(f"{key} must be {widest(whose).rule()}, but got {value!r}.")


def widest(whose: list[Knob]) -> Knob:
    """A knob that accepts all values from the smallest lower to the largest upper bound of several knobs.

    If the knobs are not at least two, all with bounds, the first knob is returned.
    """
    limits = [knob.bounds for knob in whose if isinstance(knob.bounds, Bounds)]
    if len(limits) < 2 or len(limits) < len(whose):
        return whose[0]
    low, high = min(each.low for each in limits), max(each.high for each in limits)
    return replace(whose[0], bounds=replace(limits[0], low=low, high=high, step=None))


def accepts(knob: Knob, value: Any) -> bool:
    try:
        knob.check(value)
    except SpaceError:
        return False
    return True


def rules(whose: Iterable[Knob]) -> list[str]:
    """The rules for the values of these knobs in words, each rule once."""
    return list(dict.fromkeys(knob.rule() for knob in whose))


def knows_its_end(schedule: str | None) -> bool:
    """Whether a schedule depends on the number of epochs, which then cannot grow later: all except the constant one."""
    return schedule not in ("constant", None)


def usual(key: str) -> Any:
    """The value of a knob that a space leaves out; None for a knob that the default configuration does not have."""
    return FAMILIES[key].default if key in FAMILIES else DEFAULTS.get(key)


DEFAULTS: Config = complete({})  # the defaults of `python -m trainables`


def image_size(config: Mapping[str, Any]) -> int:
    """Pixels of the height and width of a configuration's images; IMAGE_SIZE for older runs, which do not state the size."""
    size: int = config.get("image_size", IMAGE_SIZE)
    return size


def canonical(value: Any) -> Any:
    """The one form of equal numbers: 1 for 1.0 and 1e0, 0 for -0.0. Other values are returned unchanged."""
    return int(value) if type(value) is float and value.is_integer() else value


def key_of(config: Mapping[str, Any]) -> str:
    """A text that two configurations have in common exactly if they are equal: THE equality of configurations.

    Numbers are compared by value. The order of keys, knobs with a neutral value and the number of epochs do not count.
    """
    facts = {key: canonical(value) for key, value in config.items() if key != "epochs"}
    told = {key: value for key, value in facts.items() if not (key in NEUTRAL and is_same(value, NEUTRAL[key]))}
    return json.dumps(told, sort_keys=True, allow_nan=False)


def is_same(first: Any, second: Any) -> bool:
    """Whether two canonical values have one type and are equal: True is not 1."""
    return type(first) is type(second) and bool(first == second)


def trial_id(config: Mapping[str, Any], seed: int) -> str:
    """The id of a trial: six hex digits of a hash of its configuration and seed."""
    return short(f"{key_of(config)} {seed}")


def trial_id_of_schema_1(config: Mapping[str, Any], seed: int) -> str:
    """The id of a trial in runs of schema 1, where 1 and 1.0 made two configurations."""
    told = {key: value for key, value in config.items() if not (key in LATER and value == NEUTRAL[key])}
    facts = {key: value for key, value in told.items() if key != "epochs"}
    return short(json.dumps([facts, seed], sort_keys=True, allow_nan=False))


def short(text: str) -> str:
    """Six hex digits of the sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:6]
