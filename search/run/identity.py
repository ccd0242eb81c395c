"""The identity of a run: written once into run.json, compared whenever the run is continued."""

import ast
import functools
import hashlib
import importlib.metadata
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trainables
from search.algorithms.table import load
from search.flags import SHARE
from search.records import SCHEMA, Identity
from search.settings import Settings
from search.stopping import rules
from trainables.data import loading
from trainables.data.loading import Dataset
from trainables.errors import SpaceError
from trainables.files.durable import Record
from trainables.hardware import precision

ROOT = Path(__file__).parents[2]
SOURCES = ("search", "trainables")  # folders whose files a commit must hold to be the commit of a run
NUMBERS = (  # modules of trainables/ that compute the numbers of a trial; images have a fingerprint of their own
    "data/split", "hardware/precision", "models/layers/dropout", "models/layers/kernels", "models/layers/normpool",
    "models/networks", "objective", "parts/calling", "seeds", "training/augmentations", "training/average",
    "training/class_metrics", "training/definition", "training/loop", "training/losses", "training/optimizers",
    "training/own_metrics", "training/own_random", "training/schedules", "training/shared", "training/step",
)  # fmt: skip
PARTS = (
    "models",
    "augmentations",
    "optimizers",
    "schedules",
    "losses",
)  # folders whose files compute numbers, too, except COSTS
COSTS = "models/cost"
READ = ("annotation", "returns", "type_comment", "type_params")  # fields of a syntax tree that nothing is computed with
OF_GIT = (  # where a shell or a hook says that another repository lies
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX",
)  # fmt: skip


def describe(settings: Settings, data: Dataset | None, on_gpu: bool) -> Identity:
    """The identity of a run with these settings; `data` is None for a user's loop or program."""
    space = settings.space
    return Identity(
        schema=SCHEMA,
        space=settings.space_name,
        space_hash=space.digest(),
        space_params={key: str(value) for key, value in space.searched.items()},
        constants=dict(space.constants),
        baseline=dict(space.baseline),
        seed=settings.seed,
        algorithm=settings.algorithm,
        scheduler=scheduler(settings),
        objective=settings.objective,
        threads=settings.threads,
        torch=importlib.metadata.version("torch"),
        versions={name: importlib.metadata.version(name) for name in libraries(settings)},
        git=git_revision(),
        set=list(settings.set),
        max_params=space.max_params,
        constraint=space.constraint_text(),
        warm_start=settings.warm,
        entry=settings.space_name if settings.code and settings.code.has(settings.space_name) else "",
        own_code=settings.code.hash if settings.code else "",
        training=space.training,
        data_files=hashes([Path(name) for name in space.files if Path(name).is_absolute()]),
        **(of_no_images() if data is None else of_images(settings, data, on_gpu)),
    )


def of_images(settings: Settings, data: Dataset, on_gpu: bool) -> Record:
    """The parts of an identity that describe images and networks."""
    return {
        "dataset": settings.dataset_short,
        "dataset_title": data.name,
        "fallback": settings.fallback,
        "fingerprint": data.fingerprint,
        "sizes": dict(data.sizes),
        "classes": list(data.classes),
        "normalisation": {"mean": list(data.mean), "std": list(data.std)},  # what an export needs of the images
        "fraction": settings.fraction,
        "precision": precision.resolve(settings.precision, on_gpu),
        "code": code_hash(),
        "census": dict(data.census),
        "image_size": data.size,
        "sized": {str(size): of_size(loading.load(cache)) for size, cache in settings.caches.items()},
        **in_folds(settings, data),
    }


def of_size(data: Dataset) -> Record:
    """Fingerprint, mean and std of the images of one size."""
    return {"fingerprint": data.fingerprint, "mean": list(data.mean), "std": list(data.std)}


def in_folds(settings: Settings, data: Dataset) -> Record:
    """The parts of an identity that folds add or change: every image is a validation image once; empty without folds."""
    if not settings.folds:
        return {}
    census, digest = loading.of_folds(settings.cache, settings.folds)
    sizes = {**data.sizes, "val": sum(census["counts"]["val"])}
    return {"folds": settings.folds, "fold_hash": digest, "sizes": sizes, "census": census}


def of_no_images() -> Record:
    """The parts of an identity that describe images and networks, for a user's loop or program: they are empty."""
    empty = dict.fromkeys(("dataset", "dataset_title", "fingerprint", "code"), "")
    return empty | {"fallback": None, "sizes": {}, "classes": [], "fraction": 1.0, "precision": "own"}


def hashes(paths: Sequence[Path]) -> Record:
    """sha256 of files by their names; the second file of one name is called NAME (2).

    Raises:
        SpaceError: a file cannot be read.
    """
    found: Record = {}
    for number, path in enumerate(paths):
        earlier = sum(other.name == path.name for other in paths[:number])
        found[f"{path.name} ({earlier + 1})" if earlier else path.name] = sha256_of(path)
    return found


def sha256_of(path: Path) -> str:
    """The sha256 of a file that a space declares, in hexadecimal digits.

    Raises:
        SpaceError: the file cannot be read.
    """
    try:
        facts = path.stat()
        return digest_of(path, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise SpaceError(f"files: cannot read {path}: {error.strerror}. Correct the space.") from error


@functools.lru_cache(maxsize=64)  # a run is described more than once in a process, and such a file may be large
def digest_of(path: Path, size: int, changed: int) -> str:
    """The sha256 of a file of this size that was changed at this time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scheduler(settings: Settings) -> Record:
    """The early-stopping rule with the settings that it reads."""
    share = SHARE if settings.share is None else settings.share
    return rules.rule(settings.scheduler, settings.grace_period, settings.reduction_factor, settings.audit, share)


def libraries(settings: Settings) -> tuple[str, ...]:
    """The names of the libraries whose versions are recorded."""
    return ("ray", "torch", "numpy", "numba", *load(settings.algorithm).libraries)


def numbers() -> list[str]:
    """The modules of trainables/ that compute the numbers of a trial, the modules of parts included."""
    folder = Path(trainables.__file__).parent
    parts = (
        path.relative_to(folder).with_suffix("").as_posix() for name in PARTS for path in (folder / name).glob("*.py")
    )
    return sorted({*NUMBERS, *parts} - {COSTS})


def code_hash() -> str:
    """A hash of the modules that compute numbers: of their syntax without docstrings, comments and messages."""
    folder = Path(trainables.__file__).parent
    found = {name: syntax((folder / f"{name}.py").read_text("utf-8")) for name in numbers()}
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


@functools.lru_cache(maxsize=256)  # a run is described more than once in a process, and a tree takes milliseconds
def syntax(source: str) -> str:
    """The syntax tree of a module as JSON, without docstrings, comments and messages; the same in each version of Python."""
    return json.dumps(plain(ast.parse(source)))


def plain(node: Any) -> Any:
    """A part of a syntax tree as lists of texts, without docstrings, annotations, empty fields and messages.

    A message is a text with a space in it, or a part of a formatted text: no name of a knob, layer or file has a space in it.
    """
    if isinstance(node, list):
        return [plain(each) for each in node if not is_docstring(each)]
    if isinstance(node, ast.JoinedStr):
        return ["JoinedStr", *(plain(each) for each in node.values if not isinstance(each, ast.Constant))]
    if isinstance(node, ast.AST):
        told = {name: value for name, value in ast.iter_fields(node) if name not in READ and value not in (None, [])}
        return [type(node).__name__, *([name, plain(value)] for name, value in told.items())]
    return "" if isinstance(node, str) and " " in node else repr(node)


def is_docstring(node: Any) -> bool:
    """Whether a node of a syntax tree is a text that stands by itself as a statement."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def sources(*packages: str) -> str:
    """A hash of the Python files of some of the project's packages, whatever the folder that they lie in."""
    found: dict[str, str] = {}
    for package in packages:
        folder = Path(trainables.__file__).parents[1] / package
        found |= {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.py")}
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


def git_revision() -> str | None:
    """The commit that holds all of the project's sources, and whether they were changed since; for the record only.

    None if git fails or the commit lacks a source, as when the sources were unpacked inside somebody's repository.
    """
    committed = git("ls-tree", "-r", "-z", "--name-only", "HEAD", "--", *SOURCES)
    ours = {path.relative_to(ROOT).as_posix() for package in SOURCES for path in (ROOT / package).rglob("*.py")}
    if committed is None or not ours <= set(committed.split("\0")):
        return None
    revision = git("rev-parse", "--short=12", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", *SOURCES)
    return f"{revision} with changes" if changed else revision


def git(*words: str) -> str | None:
    """What git prints about the repository of the sources, whatever repository a hook or shell names; None if git fails."""
    environment = {key: value for key, value in os.environ.items() if key not in OF_GIT}
    try:
        found = subprocess.run(
            ["git", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
