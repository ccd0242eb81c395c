"""torchvision:NAME, a classification data set of torchvision, which is downloaded below --data-dir."""

import importlib.metadata
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trainables.cli.progress import say
from trainables.config import unknown
from trainables.data import assemble, cache, labels
from trainables.data.assemble import Labelled
from trainables.data.cache import Written
from trainables.data.names import base_name
from trainables.data.sources.base import Options, Source
from trainables.errors import DataError

SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


class Pictures(Sequence[Any]):
    """The pictures of a data set of torchvision. Each picture is read when it is accessed."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: Any) -> Any:
        return self.dataset[place][0]


def source(dataset: str, options: Options) -> Source:
    """The source of torchvision:NAME; nothing is downloaded or opened yet.

    The cache key holds the name of the data set and the version of torchvision, because a published data set does not change.
    """
    name, root = dataset.partition(":")[2], options.data_dir / "torchvision"
    if options.group_by is not None:
        raise DataError(f"no groups: {dataset}: its images have no names and no columns. Leave out --group-by.")

    def fetch() -> None:
        _kind(name)  # or a mistyped name would be downloaded
        try:
            _splits(name, root, download=False)
        except DataError:
            say(f"downloading {name} to {root} ...")
            _splits(name, root, download=True)

    def write(folder: Path) -> Written:
        return _written(name, root, folder, options, dataset)

    version = importlib.metadata.version("torchvision")
    kind = f"torchvision {name.casefold()}{', bad ones left out' if options.skip_bad else ''}, {options.resize}"
    return Source(base_name(Path(dataset.replace(":", "-"))), cache.key(kind, version), write, fetch)


def _written(name: str, root: Path, folder: Path, options: Options, dataset: str) -> Written:
    found = _splits(name, root, download=False)
    targets = {split: _targets(name, own) for split, own in found.items()}
    names = [str(each) for each in getattr(found["train"], "classes", ())]
    indices, classes = labels.indexed(name, targets, names)
    splits = {
        split: Labelled(Pictures(own), indices[split], [f"{split}[{place}]" for place in range(len(own))])
        for split, own in found.items()
    }
    return assemble.write(name, splits, classes, folder, options, {"dataset": dataset})


def _splits(name: str, root: Path, *, download: bool) -> dict[str, Any]:
    """The splits of a data set of torchvision.

    Raises:
        DataError: torchvision has no such data set, its images have no splits, or it cannot be loaded or downloaded.
    """
    kind = _kind(name)
    parameters = inspect.signature(kind).parameters
    more: dict[str, Any] = {"download": download} if "download" in parameters else {}
    if "split" in parameters:
        ways: dict[str, list[dict[str, Any]]] = {
            split: [{"split": spelt} for spelt in names] for split, names in SPLITS.items()
        }
    elif "train" in parameters:
        ways = {"train": [{"train": True}], "test": [{"train": False}]}
    else:
        raise DataError(
            f"no splits: torchvision:{name}: its images have none. Write a function that loads it: FILE.py:FUNCTION."
        )
    root.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    for split, each in ways.items():
        made = _first(kind, root, each, more, is_needed=split == "train")
        found |= {split: made} if made is not None else {}
    return found


def _first(
    kind: Callable[..., Any], root: Path, ways: list[dict[str, Any]], more: dict[str, Any], *, is_needed: bool
) -> Any:
    """The data set made with the first of the arguments `ways` that it accepts; None if it accepts none.

    Raises:
        DataError: `is_needed` is true and no way is accepted, or the data set cannot be loaded.
    """
    for way in ways:
        try:
            return kind(str(root), **way, **more)
        except ValueError as error:  # an unknown split
            refused: Exception = error
        except Exception as error:  # whatever torchvision, its decoders and the network raise
            refused = error
            is_needed = True
    if not is_needed:
        return None
    why = " ".join(str(refused).split())[:200]
    raise DataError(
        f"cannot load: torchvision:{getattr(kind, '__name__', kind)} in {root}: {why}. Remove what is damaged there."
    ) from refused


def _kind(name: str) -> Callable[..., Any]:
    import torchvision.datasets as known

    by_fold = {each.casefold(): each for each in known.__all__}
    if name.casefold() not in by_fold:
        raise DataError(unknown("data set of torchvision", name, known.__all__))
    found: Callable[..., Any] = getattr(known, by_fold[name.casefold()])
    return found


def _targets(name: str, dataset: Any) -> list[Any]:
    """The label of each picture. Pictures are read only if the data set keeps no list of labels."""
    for attribute in ("targets", "labels", "_labels", "y"):
        kept = getattr(dataset, attribute, None)
        if kept is not None and len(kept) == len(dataset):
            return [int(each) for each in kept]
    if len(dataset) and not isinstance(dataset[0][1], int):
        raise DataError(
            f"no labels: torchvision:{name}: its targets are not classes. Choose a data set for classification."
        )
    return [dataset[place][1] for place in range(len(dataset))]
