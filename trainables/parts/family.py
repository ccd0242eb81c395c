"""The kinds of parts: what each is called with, and which ones come with the project."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainables.parts import signature
from trainables.parts.signature import Signature

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Family:
    """One kind of parts.

    Attributes:
        key: its name in a configuration.
        folder: of trainables/, in which each file that defines its own name is a part.
        default: the part of a configuration that names none.
        given: names of parameters that the trainer gives where a part asks for them.
        first: how many parameters it gives by their place, whatever they are called.
        is_made: a class is made with its knobs alone, and then called with what the trainer gives.
    """

    key: str
    folder: str
    default: str
    given: tuple[str, ...] = ()
    first: int = 0
    is_made: bool = True

    def first_of(self, is_class: bool) -> int:
        """How many parameters of a function, or of a class, are given by their place."""
        return 0 if is_class and self.is_made else self.first


MODEL = Family("model", "models", "resnet18", ("classes", "num_classes", "image_size"), is_made=False)
OPTIMIZER = Family("optimizer", "optimizers", "sgd", first=1, is_made=False)
SCHEDULE = Family("schedule", "schedules", "cosine", first=1)
AUGMENT = Family("augment", "augmentations", "standard", ("normalise",), first=3)
LOSS = Family("loss", "losses", "cross_entropy", ("others", "weight", "class_counts"), first=2)
METRIC = Family("metric", "metrics", "", first=2)
FAMILIES = {family.key: family for family in (MODEL, OPTIMIZER, SCHEDULE, AUGMENT, LOSS)}  # of a configuration


@functools.cache
def built_in(family: Family) -> Mapping[str, Signature]:
    """The parts of a family that come with the project, each with its knobs, read from the sources: no torch."""
    files = sorted((ROOT / family.folder).glob("*.py"))
    found = {path.stem: of_file(family, path, path.stem) for path in files}
    return {name: knobs for name, knobs in found.items() if knobs is not None}


def of_file(family: Family, path: Path, name: str) -> Signature | None:
    """The knobs of a part of this family in a file of the project."""
    return signature.from_source(path, name, family.given, *map(family.first_of, (False, True)))
