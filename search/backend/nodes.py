"""Prepares the nodes of a cluster before the first trial: each must see the run folder, and gets the images once."""

import importlib.metadata
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.faults.machine import Fault
from search.settings import Settings
from trainables.config import IMAGE_SIZE
from trainables.data import loading
from trainables.data.names import CROP, canonical
from trainables.errors import DataError, ExpectedError, RayError, StorageError
from trainables.hardware import memory

WAIT = 0.5  # seconds between two looks at whether the search was asked to stop
SAME = ("torch", "numpy", "numba")  # libraries whose version must be the same on every node
PACKAGES = ("search", "trainables", "spaces")  # what a worker imports


@dataclass(frozen=True)
class Wanted:
    """The images that a node must have; all paths are absolute."""

    cache: Path
    dataset: str
    data_dir: Path
    fingerprint: str
    skip_bad: bool = False
    group_by: str | None = None
    resize: str = CROP
    image_size: int = IMAGE_SIZE


@dataclass(frozen=True)
class Asked:
    """What the search asks of a node: to use the run folder, and to have the images."""

    run: Path  # absolute
    word: str  # what the search has written in its run folder
    images: tuple[Wanted, ...] = ()  # those of each size; none if the training is the user's own
    versions: Mapping[str, str] = field(default_factory=dict)  # of the libraries on which numbers depend


def environment() -> dict[str, Any]:
    """Ray's runtime environment for workers on other nodes: our packages as they are here, and memory settings."""
    here = Path(__file__).parents[2]
    return {"py_modules": [str(here / package) for package in PACKAGES], "env_vars": memory.ENVIRONMENT}


def make_ready(run: Path, settings: Settings, check: Callable[[], None]) -> None:
    """Check that every node can use the run folder, and prepare missing images; all nodes work at once.

    Args:
        check: raises if the search was asked to stop.

    Raises:
        StorageError, DataError: a node cannot take part; the message names the first such node.
        RayError: a node did not answer.
    """
    word = uuid.uuid4().hex
    (run / "ray" / "word").write_text(word)
    is_free = settings.allow_changes or settings.space.is_own  # own training may compute with anything
    versions = {} if is_free else {name: installed(name) for name in SAME}
    asked = Asked(run.resolve(), word, () if settings.space.is_own else wanted(settings), versions)
    for name, fault in answers(asked, check):
        if fault:
            raise Fault(fault.kind, f"node {name}: {fault.message}").error()
        if not answer_of(run, word, name).exists():
            raise StorageError(
                f"node {name}: {asked.run}: its folder of that name is a different one. "
                "Put the run on storage that all nodes share: --runs-dir."
            )


def wanted(settings: Settings) -> tuple[Wanted, ...]:
    """The images of this search, with the caches in which they lie on this machine."""
    caches = settings.caches.values() or (settings.cache,)
    return tuple(
        Wanted(
            cache.resolve(),
            canonical(settings.dataset),
            settings.data_dir.resolve(),
            images.fingerprint,
            settings.skip_bad,
            settings.group_by,
            settings.resize,
            images.size,
        )
        for cache in caches
        for images in (loading.load(cache),)
    )


def answers(asked: Asked, check: Callable[[], None]) -> list[tuple[str, Fault | None]]:
    """Ask every node; return the name of each, with the fault that keeps it from taking part, or None."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    waiting = {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            name = f"{node['NodeManagerAddress']}-{node['NodeID'][:8]}"
            ask = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(ready)
            waiting[ask.remote(asked, name)] = name
    found = []
    while waiting:
        done, _ = ray.wait(list(waiting), timeout=WAIT)
        check()
        for answer in done:
            name = waiting.pop(answer)
            try:
                found.append((name, ray.get(answer)))
            except Exception as error:
                raise RayError(f"node {name}: {type(error).__name__}: it did not answer. Check that node.") from error
    return found


def ready(asked: Asked, name: str) -> Fault | None:
    """On a node: check the run folder and prepare missing images; return a fault if the node cannot take part."""
    try:
        see(asked, name)
        same(asked.versions)
        for images in asked.images:
            prepare(images)
    except ExpectedError as error:
        return Fault(error.kind, str(error))
    return None


def installed(library: str) -> str:
    """The version of a library on this machine, without the kind of its build; empty if it is not there."""
    try:
        return importlib.metadata.version(library).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return ""


def same(versions: Mapping[str, str]) -> None:
    """Check that this machine has these versions, since with others a trial would come to other numbers.

    Raises:
        RayError: it has another version of a library, or none.
    """
    for library, version in versions.items():
        if (here := installed(library)) != version:
            raise RayError(
                f"{library} {here or 'is missing'}, where the search has {version}. Install the same versions on every node, or "
                "go on with --allow-changes."
            )


def see(asked: Asked, name: str) -> None:
    """Check that the run folder has the word that the search wrote, and leave an answer file there.

    Raises:
        StorageError: the folder is another one, or cannot be used.
    """
    try:
        if (asked.run / "ray" / "word").read_text() == asked.word:
            answer_of(asked.run, asked.word, name).touch()
            return
        why = "it is another folder"
    except OSError as error:
        why = error.strerror or str(error)
    raise StorageError(
        f"the run folder cannot be used: {asked.run}: {why}. "
        "Put it on storage that all nodes share and may write to: --runs-dir."
    )


def answer_of(run: Path, word: str, name: str) -> Path:
    return run / "ray" / f"{word}-{name}"


def prepare(images: Wanted) -> None:
    """Prepare missing images, and check that they are the search's images, in the same folder as on its first node.

    Raises:
        DataError: the images lie in another folder, or are other images.
    """
    there = images.cache if (images.cache / "meta.json").exists() else None
    there = (
        there
        or loading.prepare(
            images.dataset,
            images.data_dir,
            skip_bad=images.skip_bad,
            group_by=images.group_by,
            resize=images.resize,
            image_size=images.image_size,
            progress=False,
        ).resolve()
    )
    if there != images.cache:
        raise DataError(
            f"the images lie in {there}: not in {images.cache}, as on the first node. "
            "Put --data-dir on storage that all nodes share."
        )
    if loading.load(there).fingerprint != images.fingerprint:
        raise DataError(
            f"other images: {there}: {images.dataset} is not what the first node has. Use one copy for all."
        )
