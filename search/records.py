"""run.json and totals.jsonl as frozen values: the identity of a run, and the totals that are asked of the run.

The values know how they are read, written and compared. This module loads neither pandas nor torch.
"""

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Self, get_args, get_origin

from search.flags import TOTAL, of_kind, spellings
from trainables.config import IMAGE_SIZE, canonical
from trainables.data.names import CROP, ELSEWHERE, FOLDER, NAMED
from trainables.errors import RunError
from trainables.files.durable import Record
from trainables.objective import ACCURACY, Objective, OwnObjective
from trainables.own.code import FOLDER as CODE

SCHEMA = 2  # version of the run folder's format
SCHEMAS = (1, SCHEMA)  # those that can be read
ALLOWABLE = (
    "schema",
    "scheduler",
    "precision",
    "threads",
    "code",
    "own_code",
    "torch",
)  # any other change would mix two searches
COMPARED = (  # the name of the data set is not: moved images are the same images
    "schema", "space", "space_hash", "own_code", "training", "data_files", "fingerprint", "sized", "folds", "fold_hash",
    "fraction", "seed", "algorithm", "scheduler", "objective", "precision", "threads", "code", "torch",
)  # fmt: skip
Shape = dict[str, tuple[type, ...]]  # what each key that readers need may hold
EXPLAINING = (
    "set",
    "max_params",
    "constraint",
    "image_size",
)  # say why space_hash differs, which says nothing by itself


class Recorded:
    """A value that is written as a plain record: its fields in order, without fields at their default that `ALWAYS` lacks."""

    ALWAYS: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def shape(cls, record: Record | None = None) -> Shape:
        """The types that each field may hold: of the fields that are always written, and of the fields in `record`."""
        told = [each for each in fields(cls) if default(each) is MISSING or each.name in {*cls.ALWAYS, *(record or {})}]  # type: ignore[arg-type]
        return {each.name: in_json(each.type) for each in told}

    @classmethod
    def read(cls, record: Record, where: str) -> Self:
        """The value of a record; keys that are no field are left out.

        Raises:
            RunError: the record lacks a field that has no default; the message names `where` and the missing fields.
        """
        known = {each.name: each for each in fields(cls)}  # type: ignore[arg-type]
        given = {key: value for key, value in record.items() if key in known}
        needed = [name for name, each in known.items() if each.default is MISSING and each.default_factory is MISSING]
        if missing := [name for name in needed if name not in given]:
            raise RunError(f"damaged run: {where}: it lacks {', '.join(missing)}. Restore the file from a copy.")
        return cls(**given)

    def record(self) -> Record:
        """The record as which this value is written."""
        told = [each for each in fields(self) if each.name in self.ALWAYS or getattr(self, each.name) != default(each)]  # type: ignore[arg-type]
        return {each.name: getattr(self, each.name) for each in told}


def default(of: Any) -> Any:
    """The default of a field; for a field without a default MISSING, which equals no value."""
    return of.default_factory() if of.default_factory is not MISSING else of.default


def in_json(hint: Any) -> tuple[type, ...]:
    """The types that a value of this type hint has when it is read back."""
    alike = {Mapping: (dict,), Objective: (dict,), float: (int, float)}
    kinds = [get_origin(each) or each for each in (get_args(hint) if isinstance(hint, UnionType) else (hint,))]
    return tuple(itertools.chain.from_iterable(alike.get(kind, (kind,)) for kind in kinds))


@dataclass(frozen=True, kw_only=True)
class Identity(Recorded):
    """run.json with the changes that were allowed since; it holds no path of a machine, so that a copied run is whole.

    Attributes:
        space_params: each searched parameter with its range, as text.
        dataset: the name of the images as it stands in the name of a run; `dataset_title` is their name for people.
        fallback: why `auto` took the digits and not CIFAR-10; None otherwise.
        fingerprint: hash of the decoded images; with several sizes, of the images of the smallest size.
        image_size: height and width of an image in pixels; with several sizes, the smallest.
        sized: fingerprint, mean and std of the images of each size, if several sizes are searched.
        sizes: number of images in train, val and test; with folds, train is that of the first fold, and val counts all images
            that are held out in turn.
        folds: number of folds that each configuration is validated on in turn; 0 for one validation split.
        fold_hash: hash that says which image is in which fold.
        normalisation: mean and std per channel, 0 to 1; None in runs from before it was recorded.
        scheduler: the early-stopping rule with the settings that it reads.
        objective: what trials are judged by; the accuracy in runs from before it was recorded.
        threads: number of torch threads in a trial; it decides the last bits of every number.
        code: hash of the modules that compute the numbers of a trial.
        git: commit of the sources, for the record only.
        census: what the data set holds; empty in runs from before it was counted.
        set, max_params, constraint: how the space was changed or limited.
        own_code: hash of the user's code, which lies in code/HASH; empty without such code. `entry` is the module of the space
            there; empty for a space of ours.
        training: own training as a space names it; none where networks are trained on images.
        data_files: sha256 of the files that a space declares and that are not copied, by their names.
        warm_start: {"run": name, "points": [...]}.
    """

    ALWAYS: ClassVar[frozenset[str]] = frozenset({"space_hash", "torch"})

    schema: int
    space: str
    space_hash: str = ""
    space_params: Mapping[str, str]
    constants: Mapping[str, Any]
    baseline: Mapping[str, Any]
    dataset: str
    dataset_title: str
    fallback: str | None
    fingerprint: str
    sizes: Mapping[str, int]
    classes: list[str]
    normalisation: Record | None = None
    fraction: float
    seed: int
    algorithm: str
    scheduler: Record
    objective: Objective = ACCURACY
    precision: str
    threads: int
    code: str
    torch: str = ""
    versions: Mapping[str, str]
    git: str | None
    census: Record = field(default_factory=dict)
    set: list[str] = field(default_factory=list)
    max_params: int | None = None
    constraint: str = ""
    warm_start: Record | None = None
    entry: str = ""
    own_code: str = ""
    training: Record | None = None
    data_files: Record = field(default_factory=dict)
    image_size: int = IMAGE_SIZE
    sized: Record = field(default_factory=dict)
    folds: int = 0
    fold_hash: str = ""

    @classmethod
    def read(cls, record: Record, where: str) -> Self:
        if "objective" in record:
            kind = OwnObjective if record.get("training") else Objective
            record = record | {"objective": kind.read(record["objective"], where)}
        return super().read(record, where)

    def record(self) -> Record:
        return super().record() | {"objective": self.objective.record()}

    @property
    def has_images(self) -> bool:
        """Whether this program trains networks on images; False for a user's loop or program."""
        return self.training is None

    @property
    def val_images(self) -> int:
        """The number of images that a network is validated on; 0 without images."""
        return int(self.sizes.get("val", 0))

    @property
    def subject(self) -> str:
        """The title for people: the name of the images, or of the space for a user's loop or program."""
        return self.dataset_title if self.has_images else self.space

    @property
    def comparable(self) -> str:
        """A key, equal for runs whose values can be compared: same images in the same folds, or same code and data files."""
        if self.has_images:
            return f"{self.fingerprint}{self.fold_hash}"
        return self.own_code + "".join(f"{found:.8}" for _, found in sorted(self.data_files.items()))

    @property
    def repeat(self) -> str:
        """The word for repetitions of a configuration: seed, or fold (each fold has a seed of its own)."""
        return "fold" if self.folds else "seed"

    def code_of(self, run: Path) -> Path | None:
        """Where the user's code of a run lies, as it is now; none for a space of ours."""
        return run / CODE / self.own_code if self.own_code else None

    def of_size(self, size: int) -> Record:
        """Fingerprint, mean and std of the images of a size; mean and std are not in runs from before they were recorded."""
        found: Record = self.sized.get(str(size)) or {"fingerprint": self.fingerprint, **(self.normalisation or {})}
        return found

    @property
    def reading(self) -> Record:
        """The flags --skip-bad, --group-by and --resize, as far as they had an effect on these images."""
        by, how = self.census.get("groups", {}).get("by"), self.census.get("resize", CROP)
        skipped = {"skip_bad": True} if self.census.get("skipped") else {}
        return skipped | ({"group_by": by} if by else {}) | ({"resize": how} if how != CROP else {})

    @property
    def groups(self) -> list[int]:
        """The group of each validation image, fold after fold; empty where every image is a group of its own."""
        found: list[int] = self.census.get("groups", {}).get("val", [])
        return found

    @property
    def dataset_elsewhere(self) -> str:
        """The data set as a command line names it on a machine that does not know its path."""
        if self.dataset in NAMED:
            return self.dataset
        return str(self.census.get("dataset", f"{FOLDER}{ELSEWHERE}{self.dataset_title}"))

    def flags(self) -> Record:
        """The flags of class identity that lead to this identity; for early stopping, only the flags that the rule reads.

        They leave out --warm-start, because the run holds the warm points, and the path of a folder of images.
        """
        from search.stopping import rules  # numpy loads here, and a shell that completes names has no need of it

        images = {"fraction": self.fraction, "precision": self.precision} if self.has_images else {}
        size = self.constants.get("image_size", IMAGE_SIZE)
        images |= {"image_size": size} if self.has_images and size != IMAGE_SIZE else {}
        return {
            "space": f"{self.entry}.py" if self.entry else self.space,
            **({"dataset": self.dataset} if self.has_images else {}),
            "algo": self.algorithm,
            "seed": self.seed,
            **({"max_params": self.max_params} if self.max_params else {}),
            **rules.flags(self.scheduler),
            **images,
            "cpus_per_trial": self.threads,
            **self.reading,
            **({"folds": self.folds} if self.folds else {}),
            **({"metric": self.objective.metric} if self.has_images and not self.objective.is_accuracy else {}),
            **({"set_": self.set} if self.set else {}),
        }

    def differences(self, asked: "Identity") -> Record:
        """The parts in which `asked` would be another search than this identity, with their values in `asked`."""
        unlike = [key for key in COMPARED if canonical(getattr(self, key)) != canonical(getattr(asked, key))]
        if "folds" in unlike and "fold_hash" in unlike:
            unlike.remove("fold_hash")  # follows from it
        why = EXPLAINING if "space_hash" in unlike else ()
        unlike += [key for key in why if getattr(self, key) != getattr(asked, key)]
        return {key: asked.told(key) for key in unlike}

    def told(self, key: str) -> Any:
        """A part as run.json has it; a part that run.json leaves out has its default, or None if the default is empty."""
        return self.record().get(key, getattr(self, key) or None)

    def sentence(self, key: str, value: Any) -> str:
        """One difference in words."""
        return f"{SAID.get(key, key)}: {shown(self.told(key))} is now {shown(value)}"


SAID = {  # parts of an identity whose names say little
    "threads": "--cpus-per-trial (threads)", "fingerprint": "the images (fingerprint)", "code": "this program (hash of its code)",
    "own_code": "your code (hash)", "space_hash": "the space (hash)",
}  # fmt: skip


def shown(value: Any) -> str:
    """A value of an identity in words; none for one that is left out."""
    return value if isinstance(value, str) else "none" if value is None else json.dumps(value)


@dataclass(frozen=True, kw_only=True)
class Totals(Recorded):
    """A line of totals.jsonl: how much is asked of the search; totals may grow and never shrink.

    Attributes:
        trials: configurations of the search.
        epochs: of each trial, at most.
        seeds: seeds of each configuration; with folds the number of folds, because each fold has a seed of its own.
        confirm: best configurations that are trained again, on `confirm_seeds` fresh seeds each.
        keep_best: trials whose weights are kept; 0 for as many as the program keeps.
        rungs: the epoch of each rung that is cut, with the number of configurations that go on from this rung; None if no rung
            is cut.
        allowed: changes of the identity that were allowed, in words; `identity` has the values that hold from this line on.
        until: if the user's code was changed, the hash of the code before and the epochs trained until then: {"own_code": hash,
            "epochs": {index: epochs}}, without trials that had no epoch.
    """

    ALWAYS: ClassVar[frozenset[str]] = frozenset({"seeds", "confirm", "confirm_seeds", "keep_best", "allowed"})

    trials: int
    epochs: int
    seeds: int = 1
    confirm: int = 0
    confirm_seeds: int = 0
    keep_best: int = 0
    rungs: list[list[int]] | None = None
    allowed: list[str] = field(default_factory=list)
    identity: Record = field(default_factory=dict)
    until: Record = field(default_factory=dict)


def is_until(value: Any) -> bool:
    """Whether `until` of a line of totals.jsonl is valid: empty, or the hash of a code with positive numbers of epochs."""
    if value == {}:
        return True
    is_known = isinstance(value, dict) and value.keys() == {"own_code", "epochs"} and isinstance(value["epochs"], dict)
    if not is_known or not re.fullmatch("[0-9a-f]{16}", str(value["own_code"])):
        return False
    epochs: Record = value["epochs"]
    return all(index.isdecimal() and type(count) is int and count > 0 for index, count in epochs.items())


UNSAID = {
    each.name: default(each)
    for each in fields(Totals)
    if each.name not in ("identity", "until", "rungs") and default(each) is not MISSING
}
GROWING = {  # totals that may grow and never shrink, and the flag that says them
    "trials" if name == "num_samples" else name: spellings(name)[0] for name in of_kind(TOTAL)
}
