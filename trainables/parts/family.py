"""The kinds of parts (families): the arguments that each kind gets, and the built-in parts of each kind."""

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
        key: the name of this kind in a configuration.
        folder: the folder in trainables/ of the built-in parts. A file is a part if it defines its own name.
        default: the part of a configuration that names none.
        given: names of parameters for which the trainer gives a value if a part has them.
        first: number of arguments that the trainer gives by position, whatever their names are.
        is_made: whether a class is first instantiated with its knobs alone; its object is then called with the trainer's
            arguments.
    """

    key: str
    folder: str
    default: str
    given: tuple[str, ...] = ()
    first: int = 0
    is_made: bool = True

    def first_of(self, is_class: bool) -> int:
        """The number of parameters of a function, or of a class's constructor, that are given by position."""
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
    """The built-in parts of a family with their knobs, read from the sources without importing them or torch."""
    files = sorted((ROOT / family.folder).glob("*.py"))
    found = {path.stem: of_file(family, path, path.stem) for path in files}
    return {name: knobs for name, knobs in found.items() if knobs is not None}


def of_file(family: Family, path: Path, name: str) -> Signature | None:
    """The knobs of the part `name` of this family in a file of the project; None if the file has no such part."""
    return signature.from_source(path, name, family.given, *map(family.first_of, (False, True)))
